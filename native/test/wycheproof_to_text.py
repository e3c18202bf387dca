#!/usr/bin/env python3
"""Converts Wycheproof's chacha20_poly1305_test.json (C2SP/wycheproof, testvectors_v1) to one vector a line:
tcId result iv key aad msg ct tag, in hexadecimal, '-' for an empty field. Reads stdin, writes stdout."""

import json
import sys

print("# Wycheproof, testvectors_v1/chacha20_poly1305_test.json, by native/test/wycheproof_to_text.py")
print("# Copyright the Wycheproof authors, Apache License 2.0 (https://github.com/C2SP/wycheproof)")
print("# tcId result iv key aad msg ct tag")
for group in json.load(sys.stdin)["testGroups"]:
    for test in group["tests"]:
        fields = (test[name] or "-" for name in ("iv", "key", "aad", "msg", "ct", "tag"))
        print(test["tcId"], test["result"], *fields)
