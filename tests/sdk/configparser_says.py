#!/usr/bin/env python3
"""What Python's configparser says of many odd files: tests/data/configparser.json, against which src reads INI files.

Usage: configparser_says.py > tests/data/configparser.json
"""

import configparser
import json
import random

WRITTEN = [
    "[default]\na=1\n", "[default]   # comment\na=1\n", "[client1]   # for: staging\na=1\n[default]\na=2\n",
    "[default]\na=1 # c\n", "[default]\na:1\n", "[default]\n a=1\n b=2\n", "[default]\na=1\n  more\n", "[ default ]\na=1\n",
    "[default]\na=1\na=2\n", "[default]\na=1\n[default]\nb=2\n", "[DEFAULT]\nt=1\n[default]\na=1\n", "a=1\n[default]\nb=2\n",
    "[default]\nbare\n", "[default]\n'a' = 1\n", "[default]\na = \"x\"\n", "[default]\nA=1\n", "[default]\na==1\n",
    "[default]\na=\n", "[default]\n;x=1\n#y\na=1;c\n", "[default]a=1\n", "[de]fault]\na=1\n", "[default] # [x]\na=1\n",
    "[default]\r\na=1\r\n", "[default]\ra=1\rb=2\r", "[default]\n\ta=1\n\tb=2\n", "[default]\na=b:c=d\n", "[default]\na b = c\n",
    "[]\na=1\n", "[default\na=1\n", "[default]\na=x\\ny\n", "[default]\na=1\n\n  b=2\n", "  [default]\n  a=1\n",
    "[default]\n a=1\nb=2\n", "[default]\n= 1\n", "[default]\nkey = value\n# comment\n  goes on\n\n\n[x]\n", "", "\n\n", "# only\n",
    "[x]\na=1\n [default]\nb=2\n", "[default]\na=1\n [x]\nb=2\n", "[default]\n\u00c4=1\n", "[default]\n\u00a0a=1\n", "[default]\na=\x1c1\x1f\n",
    "[default]\na=1\n\x0b\n b\n", "[default]\nunset\n[x]\ny=1\n", "[x]\nbare\n[default]\na=1\n", "[default]\na=%(b)s\n", "[default]\na=100%\n",
]
LINES = [
    "a=1", "b = 2", "key = k", "secret: s", "type = sts", "[client1]", "[other]", "# comment", "", "d = e", "x = y", "[default]", "[default]   # comment", "[default] ; x: y", "[client1]   # for: staging", "[client1]", "[DEFAULT]", "[ default ]", "[default", "[]",
    "[other]a=1", "a=1", "a = 1", "A: 2", "b=", "b = x y", "c=1 # comment", "c = v ; w", "d: e = f", "bare", "# comment", "; comment", "#a=1",
    "", "", "   ", "= 1", ": x", "type = access_key", "access_key_id = i", "'q' = 1", "\"q\" = \"1\"", "k\tl = m", "[x] = y", "x = [default]",
]
INDENTS = ["", "", "", "", "", "", " ", "  ", "\t", "    "]
ENDS = ["\n", "\n", "\n", "\n", "\r\n"]


def parser(strict):
    return configparser.ConfigParser(strict=strict, interpolation=None)


def section(parsed, name):
    return dict(parsed.items(name)) if name in parsed.sections() else None


def case(text, name):
    # As a file is read: every kind of line end is one.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    says = lenient = None
    refused = False
    try:
        strict = parser(True)
        strict.read_file(lines)
        says = section(strict, name)
    except configparser.Error:
        refused = True
        loose = parser(False)
        try:
            loose.read_file(lines)
        except configparser.Error:
            pass
        lenient = section(loose, name)
    return {"text": text, "section": name, "says": says, "refused": refused, "lenient": lenient}


def main():
    chance = random.Random(14)
    texts = list(WRITTEN)
    for _ in range(900):
        lines = [chance.choice(["[default]", "[client1]", "[DEFAULT]", "[default] # x"]) + "\n"] if chance.random() < 0.8 else []
        lines += [chance.choice(INDENTS) + chance.choice(LINES) + chance.choice(ENDS) for _ in range(chance.randint(1, 6))]
        texts.append("".join(lines))
    cases = [case(text, name) for text in texts for name in ["default", "client1"][: 1 + (len(text) % 2)]]
    print("[\n" + ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
