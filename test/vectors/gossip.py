#!/usr/bin/env python3
"""Makes gossip.json: one conversation by docs/protocol.md, "Gossip", written from the text and not from the code.

Needs the package `cryptography`. Usage: python3 gossip.py > gossip.json
"""

import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P = 2**255 - 19


def hchacha20(key, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            mixed = state[z] ^ state[x]
            state[z] = ((mixed << bits) | (mixed >> (32 - bits))) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *(state[:4] + state[12:]))


def xseal(key, nonce, plaintext, aad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plaintext, aad)


def kdf(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.blake2s).digest()


def mac(key, *parts):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=16).digest()


def label(name):
    return b"weft/gossip/1/" + name.encode() + b"\0"


class Node:
    def __init__(self, seed):
        self.seed = seed
        signing = Ed25519PrivateKey.from_private_bytes(seed)
        self.id = signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        scalar = bytearray(hashlib.sha512(seed).digest()[:32])
        scalar[0] &= 0xF8
        scalar[31] = (scalar[31] & 0x7F) | 0x40
        self.scalar = bytes(scalar)

    def token(self, index):
        packed = struct.pack("<I", index)
        return packed + mac(kdf(self.scalar, label("token")), packed)[:4]

    def agree(self, other):
        y = int.from_bytes(other.id, "little") & (2**255 - 1)
        u = (1 + y) * pow(1 - y, -1, P) % P
        public = X25519PublicKey.from_public_bytes(u.to_bytes(32, "little"))
        return X25519PrivateKey.from_private_bytes(self.scalar).exchange(public)


def header(first, token):
    return bytes([first, 0, 0, 0]) + token


def data(key, token, counter, plaintext):
    head = header(0x83, token) + struct.pack("<I", counter)
    return head + xseal(key, head + bytes(8), plaintext, head)


def main():
    mesh_key = bytes(range(0x40, 0x60))
    a, b = Node(bytes([1] * 32)), Node(bytes([2] * 32))
    hello_index, accept_index = 0x01020304, 0xF1F2F3F4
    hello_nonce, accept_nonce = bytes(range(24)), bytes(range(100, 124))
    cookie_secret = bytes(range(200, 232))
    address, port = bytes([192, 0, 2, 7]), 51821

    pair = kdf(mesh_key, label("pair"), a.agree(b), *sorted([a.id, b.id]))
    hello_token, accept_token = a.token(hello_index), b.token(accept_index)

    hello = header(0x80, hello_token) + hello_nonce
    hello += xseal(kdf(mesh_key, label("hello"), b.id), hello_nonce, a.id, hello)
    hello += xseal(kdf(pair, label("proof"), a.id), hello_nonce, b"", hello)
    cookie = mac(cookie_secret, address, struct.pack(">H", port), hello_token)
    reply = header(0x81, hello_token) + cookie
    reply += mac(kdf(mesh_key, label("cookie"), b.id), reply, hello_nonce)
    accept = header(0x82, hello_token) + accept_nonce
    accept += xseal(kdf(pair, label("accept"), b.id), accept_nonce, accept_token, accept + hello_nonce)

    root = kdf(pair, label("session"), a.id, hello_nonce, hello_token, accept_nonce, accept_token)
    from_a, from_b = kdf(root, b"\1"), kdf(root, b"\2")
    unknown = header(0x84, accept_token)
    unknown += mac(kdf(mesh_key, label("unknown")), unknown)

    vectors = {
        "meshKey": mesh_key,
        "initiator": {"seed": a.seed, "id": a.id, "index": hello_index, "nonce": hello_nonce},
        "responder": {
            "seed": b.seed,
            "id": b.id,
            "index": accept_index,
            "nonce": accept_nonce,
            "cookieSecret": cookie_secret,
        },
        "initiatorAddress": address,
        "initiatorPort": port,
        "pairKey": pair,
        "keyFromInitiator": from_a,
        "keyFromResponder": from_b,
        "conversation": [
            {"from": "initiator", "text": "ping", "bytes": hello + bytes(16)},
            {"from": "responder", "bytes": reply},
            {"from": "initiator", "bytes": hello + cookie},
            {"from": "responder", "bytes": accept},
            {"from": "initiator", "bytes": data(from_a, accept_token, 0, b"ping")},
            {"from": "responder", "text": "pong", "bytes": data(from_b, hello_token, 0, b"pong")},
            {"from": "initiator", "text": "more", "bytes": data(from_a, accept_token, 1, b"more")},
        ],
        "unknown": unknown,
    }
    print(json.dumps(vectors, indent=2, default=lambda value: value.hex()))


main()
