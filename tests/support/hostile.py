"""Payloads that no consumer may stumble over: a seeded list, the same in every run."""

import gzip
import json
import random
from collections.abc import Iterator

EPOCH = "9f3c21d07a5be4c8"
_LEAVES = (
    "node/{node}/status",
    "node/{node}/info",
    "node/{node}/metrics/cpu",
    "node/{node}/backlog",
    "node/{node}/event",
    "node/{node}/applied",
    "node/{node}/reply/x1",
    "alert/{node}/disk_full",
    # Places that the contract does not know.
    "node/{node}/metrics/CPU",
    "node/{node}/other",
    "node/Not-A-Node/metrics/cpu",
    "node/recorder/status",
    "node/{node}/metrics/cpu/deeper",
)
_RETAINED = tuple(_LEAVES[n] for n in (0, 1, 2, 5, 7))


def _fixed() -> list[bytes]:
    report = '"epoch":"9f3c21d07a5be4c8","seq":SEQ,"interval":10'
    numbered = [
        '"time":1767225600,"fields":{"a":NaN}',
        '"time":1767225600,"fields":{"a":Infinity}',
        '"time":1767225600,"fields":{"a":1e999}',
        '"time":1767225600,"fields":{"a":' + "9" * 400 + "}",
        '"time":1767225600,"fields":{"a":' + "9" * 5000 + "}",
        '"time":1767225600,"fields":{"a":"1"}',
        '"time":1767225600,"fields":{"a":[1]}',
        '"time":1767225600,"fields":{"A b":1}',
        '"time":1767225600,"fields":[1,2]',
        '"time":1767225600,"instances":{"a\\u0000b":{"x":1}}',
        '"time":1767225600,"instances":{"\\ud800":{"x":1}}',
        '"time":1767225600,"instances":{"\\u001b[2J":{"x":1}}',
        '"time":1767225600,"instances":{"":{"x":1}}',
        '"time":1767225600,"fields":{"x":1},"instances":{"/":{"x":1}}',
        '"time":99999999999,"fields":{"x":1}',
        '"time":-5,"fields":{"x":1}',
        '"time":null,"fields":{"x":1}',
        '"time":true,"fields":{"x":1}',
        '"time":1767225600',
        '"time":1767225600,"error":"no kind"',
    ]
    texts = [f"{{{report},{rest}}}" for rest in numbered]
    texts += [
        "not json at all", "{", '{"a":', "null", "true", "3", '"text"', "[]", "[[[]]]", "{}",
        '{"state":"online"}', '{"state":"gone"}', '{"state":"offline","reason":"bored"}',
        '{"epoch":"x","seq":1}', '{"epoch":"9f3c21d07a5be4c8","seq":0}',
        '{"epoch":"9f3c21d07a5be4c8","seq":-1}', '{"epoch":"9f3c21d07a5be4c8","seq":1.5}',
        '{"epoch":"9f3c21d07a5be4c8","seq":' + "9" * 30 + "}",
        '{"epoch":"9f3c21d07a5be4c8","reports":{"a":1}}',
        '{"epoch":"9f3c21d07a5be4c8","reports":[1,2,3]}',
        '{"epoch":"9f3c21d07a5be4c8","evicted":[[1,2,"boredom"]]}',
        '{"epoch":"9f3c21d07a5be4c8","evicted":[[1,2]]}',
        "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a":"' + "\\ud800" * 1000 + '"}',
        "\ufeff{}", "\x00", "\x1b[31mred", "' OR 1=1; DROP TABLE sample; --", "",
    ]  # fmt: skip
    return [text.encode() for text in texts]


def _bytes(draw: random.Random) -> list[bytes]:
    bomb = gzip.compress(b"0" * 20_000_000)
    batch = gzip.compress(json.dumps({"epoch": EPOCH, "reports": [{}] * 50_000}).encode())
    return [
        b"\xff\xfe\xfd",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\x1f\x8b",
        b"\x1f\x8b" + bytes(draw.randrange(256) for _ in range(64)),
        gzip.compress(b"not json"),
        gzip.compress(b'{"epoch":"9f3c21d07a5be4c8","reports":[]}')[:-6],
        bomb,
        batch,
        b"x" * 300_000,
    ]


def hostile_messages(node: str, count: int, seed: int = 20_260_101) -> Iterator[tuple[str, bytes]]:
    """Give `count` topics below the root with payloads: all of them wrong, each for one reason."""
    draw = random.Random(seed)  # noqa: S311 - a seeded list, no secret
    texts, raw = _fixed(), _bytes(draw)
    for n in range(count):
        leaf = _LEAVES[n % len(_LEAVES)]
        match n % 4:
            case 0:
                payload = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 200)))
            case 1:
                payload = draw.choice(raw)
            case _:
                # A number of its own each time: the second of one number is but a duplicate.
                payload = draw.choice(texts).replace(b"SEQ", str(10_000 + n).encode())
                payload = _for_leaf(leaf, payload)
        yield leaf.format(node=node), payload


def _for_leaf(leaf: str, payload: bytes) -> bytes:
    if not payload and leaf.startswith(_RETAINED):
        return b" "  # nothing at all is a removal there
    if leaf.endswith("/backlog"):
        return b'{"epoch":"%s","reports":[%s]}' % (EPOCH.encode(), payload or b"0")
    return payload
