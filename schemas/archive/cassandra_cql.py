"""The archive's statements in CQL, by name. They are prepared once; all values are bound."""
# ruff: noqa: S608 - put together from the constants below

COMMENT = "seq, at, id, user_id, user_name, role, text, sticker, mask"
MODERATION = f"{COMMENT}, type, target, seconds, reason, settings"
EVENT_TABLES = {"comments_by_stream": COMMENT, "moderation_by_stream": MODERATION}
"""Tables of events → columns of a page. They have the same key."""

_PARTITION = "stream_id, epoch, bucket"
_KEY = "stream_id = ? AND epoch = ? AND bucket = ?"
_RANGE = f"WHERE {_KEY} AND seq >= ? AND seq <= ? ORDER BY seq"
_USING = "USING TIMESTAMP ? AND TTL ?"
_BLANK = "user_name = '', text = '', sticker = null"

STATEMENTS = {
    "epochs": "SELECT epoch FROM epochs WHERE part = 0",
    "buckets": "SELECT epoch, bucket FROM buckets_by_stream WHERE stream_id = ?",
    "hides": "SELECT kind, target, seq FROM hides_by_stream "
    "WHERE stream_id = ? AND epoch = ? AND target IN ?",
    "put epoch": f"INSERT INTO epochs (part, epoch) VALUES (0, ?) {_USING}",
    "put bucket": f"INSERT INTO buckets_by_stream (stream_id, epoch, bucket) VALUES (?, ?, ?) {_USING}",
    "put hide": "INSERT INTO hides_by_stream (stream_id, epoch, target, seq, kind) "
    f"VALUES (?, ?, ?, ?, ?) {_USING}",
}
"""Name → statement. Those of both event tables are named ``<name> <table>``."""

for _table, _columns in EVENT_TABLES.items():
    _reason = ", reason" if "reason" in _columns else ""
    STATEMENTS |= {
        f"put {_table}": f"INSERT INTO {_table} (stream_id, epoch, bucket, {_columns}) "
        f"VALUES (?, ?, ?{', ?' * len(_columns.split(','))}) {_USING}",
        f"page {_table}": f"SELECT {_columns} FROM {_table} {_RANGE} LIMIT ?",
        f"first {_table}": f"SELECT seq, at FROM {_table} {_RANGE} LIMIT 1",
        f"last {_table}": f"SELECT seq, at FROM {_table} {_RANGE} DESC LIMIT 1",
        f"seqs {_table}": f"SELECT seq FROM {_table} {_RANGE}",
        f"listed {_table}": f"SELECT DISTINCT stream_id, epoch, bucket, token({_PARTITION}) FROM {_table} "
        f"WHERE token({_PARTITION}) > ? LIMIT ?",
        f"partitions {_table}": f"SELECT DISTINCT stream_id, epoch, bucket FROM {_table}",
        f"said {_table}": "SELECT seq, WRITETIME(user_name), TTL(user_name), user_name, text, sticker"
        f"{_reason} FROM {_table} WHERE {_KEY} AND user_id = ? ALLOW FILTERING",
        f"blank {_table}": f"UPDATE {_table} {_USING} SET {_BLANK}"
        f"{_reason and ', reason = null'} WHERE {_KEY} AND seq = ?",
    }
