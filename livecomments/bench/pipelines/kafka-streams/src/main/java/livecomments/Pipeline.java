package livecomments;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.ahocorasick.trie.Trie;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The pipeline as a Kafka Streams program: decode, filter, number each stream, encode, forward.
 *
 * <p>Arguments: bootstrap servers, application id, source topic, sink topic, state directory, file of banned
 * words (one a line), ingested.avsc, sequenced.avsc, the schema id of sequenced. Numbers are in a RocksDB
 * store with a changelog and the cache that the DSL's own stores have. The filter is an Aho-Corasick automaton
 * over whole words in lower case: it sees through no disguise, which is less than the others do.
 */
public final class Pipeline {
    private static final String STORE = "seq";
    private static final int FRAME_BYTES = 5;

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put("auto.offset.reset", "earliest");

        Trie words = Trie.builder().ignoreCase().onlyWholeWords().stopOnHit()
                .addKeywords(Files.readAllLines(Path.of(arguments[5]))).build();
        Schema ingested = new Schema.Parser().parse(Files.readString(Path.of(arguments[6])));
        Schema sequenced = new Schema.Parser().parse(Files.readString(Path.of(arguments[7])));
        int id = Integer.parseInt(arguments[8]);

        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.Long()).withCachingEnabled());
        builder.stream(arguments[2], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .process(() -> new Numbering(words, ingested, sequenced, id), STORE)
                .to(arguments[3], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(70);
            return null;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }

    /** What is accepted gets its stream's next number; a record a stream goes out. */
    private static final class Numbering implements Processor<byte[], byte[], byte[], byte[]> {
        private final Trie words;
        private final Schema sequenced;
        private final Schema event;
        private final Schema origin;
        private final GenericDatumReader<GenericRecord> reader;
        private final GenericDatumWriter<GenericRecord> writer;
        private final byte[] frame;
        private BinaryDecoder decoder;
        private BinaryEncoder encoder;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, Long> numbers;

        Numbering(Trie words, Schema ingested, Schema sequenced, int id) {
            this.words = words;
            this.sequenced = sequenced;
            this.event = sequenced.getField("events").schema().getElementType();
            this.origin = sequenced.getField("origin").schema();
            this.reader = new GenericDatumReader<>(ingested);
            this.writer = new GenericDatumWriter<>(sequenced);
            this.frame = ByteBuffer.allocate(FRAME_BYTES).put((byte) 0).putInt(id).array();
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.numbers = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                forward(record);
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }

        private void forward(Record<byte[], byte[]> record) throws java.io.IOException {
            byte[] value = record.value();
            decoder = DecoderFactory.get().binaryDecoder(value, FRAME_BYTES, value.length - FRAME_BYTES, decoder);
            GenericRecord batch = reader.read(null, decoder);
            Map<String, List<GenericRecord>> accepted = new LinkedHashMap<>();
            for (Object each : (List<?>) batch.get("items")) {
                GenericRecord item = (GenericRecord) each;
                if (words.firstMatch(item.get("text").toString()) == null) {
                    accepted.computeIfAbsent(item.get("stream_id").toString(), any -> new ArrayList<>()).add(item);
                }
            }
            for (Map.Entry<String, List<GenericRecord>> stream : accepted.entrySet()) {
                byte[] encoded = encode(stream.getKey(), stream.getValue(), batch);
                context.forward(new Record<>(stream.getKey().getBytes("UTF-8"), encoded, record.timestamp()));
            }
        }

        private byte[] encode(String stream, List<GenericRecord> items, GenericRecord batch)
                throws java.io.IOException {
            Long last = numbers.get(stream);
            long from = last == null ? 0 : last;
            long seq = from;
            List<GenericRecord> events = new ArrayList<>(items.size());
            for (GenericRecord item : items) {
                GenericRecord made = new GenericData.Record(event);
                for (String name : new String[] {"type", "at", "id", "user_id", "user_name", "role", "text",
                        "sticker"}) {
                    made.put(name, item.get(name));
                }
                made.put("seq", ++seq);
                made.put("command", null);
                made.put("mask", -1L);
                events.add(made);
            }
            numbers.put(stream, seq);
            GenericRecord covered = (GenericRecord) batch.get("covered");
            GenericRecord place = new GenericData.Record(origin);
            place.put("offset", covered.get("offset"));
            place.put("index", covered.get("index"));
            GenericRecord segment = new GenericData.Record(sequenced);
            segment.put("stream_id", stream);
            segment.put("epoch", "bench-0");
            segment.put("from_seq", from);
            segment.put("to_seq", seq);
            segment.put("origin", place);
            segment.put("covered", place);
            segment.put("claim", "");
            segment.put("token", 0L);
            segment.put("source_token", 0L);
            segment.put("events", events);
            segment.put("refused", List.of());
            java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream(512);
            out.write(frame);
            encoder = EncoderFactory.get().binaryEncoder(out, encoder);
            writer.write(segment, encoder);
            encoder.flush();
            return out.toByteArray();
        }
    }
}
