// The peer in Go: github.com/centrifugal/centrifuge, one channel, JSON protocol, anonymous clients.
// Prints {"port": …}; takes the orders of livecomments.bench.delivery.servers on stdin.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

type order struct {
	Frames     int     `json:"frames"`
	IntervalMS float64 `json:"interval_ms"`
	Bytes      int     `json:"bytes"`
}

func main() {
	node, err := centrifuge.New(centrifuge.Config{})
	check(err)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: ""}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{}, nil)
		})
	})
	check(node.Run())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	go func() { check(http.Serve(listener, nil)) }()
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var todo order
		check(json.Unmarshal(lines.Bytes(), &todo))
		for number := 0; number < todo.Frames; number++ {
			text := fmt.Sprintf("%08d ", number) + strings.Repeat("x", todo.Bytes-9)
			data, _ := json.Marshal(map[string]string{"text": text})
			_, err := node.Publish("stream:bench", data)
			check(err)
			time.Sleep(time.Duration(todo.IntervalMS * float64(time.Millisecond)))
		}
		fmt.Printf("{\"sent\": %d}\n", todo.Frames)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
