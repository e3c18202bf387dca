#!/usr/bin/env python3
"""Makes mesh-identity.json by docs/trust.md, written from the text and not from the code.

Needs the package `cryptography`. Usage: python3 mesh-identity.py > mesh-identity.json
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MESH_ID = bytes(range(16))
MESH_KEY = bytes(range(32, 64))
INVITE_ID = bytes(range(64, 80))
INVITE_SECRET = bytes(range(96, 128))


def seed(n):
    return bytes([n] * 32)


def private_key(n):
    return Ed25519PrivateKey.from_private_bytes(seed(n))


def public(n):
    return private_key(n).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def signature(n, kind, payload):
    return private_key(n).sign(f"weft/{kind}/1\0".encode() + payload)


def blake2s(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def msgpack(value):
    """Shortest forms, but 255 bytes as bin 16: so does msgpack-lite."""
    if value is True:
        return b"\xc3"
    if isinstance(value, int):
        if value < 0x80:
            return bytes([value])
        if value < 0x100:
            return b"\xcc" + bytes([value])
        if value < 0x10000:
            return b"\xcd" + struct.pack(">H", value)
        return b"\xce" + struct.pack(">I", value)
    if isinstance(value, bytes):
        if len(value) < 0xFF:
            return b"\xc4" + bytes([len(value)]) + value
        return b"\xc5" + struct.pack(">H", len(value)) + value
    if isinstance(value, str):
        return bytes([0xA0 + len(value)]) + value.encode()
    if isinstance(value, list):
        return bytes([0x90 + len(value)]) + b"".join(map(msgpack, value))
    return bytes([0x80 + len(value)]) + b"".join(
        msgpack(key) + msgpack(item) for key, item in value.items()
    )


def prefix(text):
    network = ipaddress.ip_network(text)
    return network.network_address.packed + bytes([network.prefixlen])


def endpoint(address, port):
    return ipaddress.ip_address(address).packed + struct.pack(">H", port)


def derive_v6(key):
    mesh = blake2s(b"weft/address/mesh/1\0", MESH_ID)[:5]
    return b"\xfd" + mesh + b"\0\0" + blake2s(b"weft/address/6/1\0", key)[:8]


def derive_v4(text, key, counter):
    network = ipaddress.ip_network(text)
    sample = blake2s(b"weft/address/4/1\0", key, struct.pack("<I", counter))[:6]
    host = 2 + int.from_bytes(sample, "big") % (network.num_addresses - 3)
    return (network.network_address + host).packed


def addresses(n):
    key = public(n)
    v4 = [
        {
            "prefix": text,
            "counter": counter,
            "address": str(ipaddress.ip_address(derive_v4(text, key, counter))),
        }
        for text in ("10.86.0.0/16", "192.0.2.0/24", "10.0.0.0/8", "198.51.100.4/30")
        for counter in (0, 1, 65535)
    ]
    v6 = str(ipaddress.ip_address(derive_v6(key)))
    return {"seed": seed(n).hex(), "id": key.hex(), "v6": v6, "v4": v4}


def signed(n, kind, payload):
    return signature(n, kind, payload) + payload


def record(n, fields):
    payload = msgpack(fields)
    return {
        "seed": seed(n).hex(),
        "payload": payload.hex(),
        "signature": signature(n, "record", payload).hex(),
    }


def main():
    authority, issuer, member, joiner = (public(n) for n in (1, 2, 3, 4))
    issuer_certificate = signed(1, "certificate", msgpack({
        "s": issuer, "n": "issuer", "g": ["admins"], "a": [], "r": [],
        "b": 1700000000, "e": 1900000000, "q": bytes([0x11] * 16), "i": authority,
        "d": {"n": ["lab-*"], "g": ["lab"], "r": [prefix("10.20.0.0/16")], "a": []},
    }))
    certificate = signed(2, "certificate", msgpack({
        "s": member, "n": "lab-7", "g": ["lab"], "a": [], "r": [prefix("10.20.30.0/24")],
        "b": 1700000000, "e": 1800000000, "q": bytes([0x22] * 16), "i": issuer,
        "c": issuer_certificate,
    }))
    accusation = signature(1, "accusation", member + struct.pack("<I", 7) + authority)
    revoked_certificate = signed(1, "revocation", msgpack({
        "a": authority, "q": bytes([0x22] * 16), "r": "laptop lost", "t": 1750000000,
    }))
    revoked_node = signed(1, "revocation", msgpack({
        "a": authority, "n": member, "r": "", "t": 1750000000,
    }))
    invite = msgpack({
        "m": MESH_ID, "k": MESH_KEY, "i": issuer, "e": [endpoint("192.0.2.2", 51820)],
        "n": INVITE_ID, "s": INVITE_SECRET, "x": 1750003600, "g": ["lab"],
    })
    token = base64.urlsafe_b64encode(invite + blake2s(invite)[:4]).decode().rstrip("=")
    proof_input = b"weft/invite/1\0" + INVITE_ID + joiner + issuer
    proof = hmac.new(INVITE_SECRET, proof_input, hashlib.blake2s).hexdigest()
    json.dump({
        "source": "mesh-identity.py, by docs/trust.md. Seeds are 32 times the same byte.",
        "meshId": MESH_ID.hex(),
        "meshKey": MESH_KEY.hex(),
        "addresses": [addresses(n) for n in (1, 2, 3)],
        "record": record(3, {
            "id": member, "i": 7, "n": "lab-7",
            "e": [endpoint("192.0.2.7", 51820), endpoint("2001:db8::7", 51821)],
            "a": [derive_v4("10.86.0.0/16", member, 1), derive_v6(member)], "k": 1,
            "r": [prefix("10.20.30.0/24")], "c": ["bond/1"], "x": certificate,
        }),
        "leftRecord": record(3, {"id": member, "i": 0xFFFFFFFF, "n": "lab-7", "l": True}),
        "accusation": {
            "seed": seed(1).hex(), "target": member.hex(), "incarnation": 7,
            "signature": accusation.hex(),
        },
        "issuerCertificate": issuer_certificate.hex(),
        "certificate": certificate.hex(),
        "revocations": {"certificate": revoked_certificate.hex(), "node": revoked_node.hex()},
        "invite": {
            "token": f"weft1:{token}", "id": INVITE_ID.hex(), "secret": INVITE_SECRET.hex(),
            "expiresAt": 1750003600, "joiner": joiner.hex(), "proof": proof,
        },
    }, sys.stdout, indent=2)
    print()


main()
