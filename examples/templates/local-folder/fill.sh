#!/bin/sh
# Puts the starting point into $FOLDER. A file that is there is left as it is.
set -eu
cd "$FOLDER"

put() {
  [ -e "$1" ] || cat >"$1"
}

put README.md <<TEXT
# $TITLE

Made for ${OWNER:-somebody}.
TEXT

case $KIND in
  python)
    put main.py <<'TEXT'
def greeting(name):
    return f"Hello, {name}!"


if __name__ == "__main__":
    print(greeting("world"))
TEXT
    put test_main.py <<'TEXT'
import unittest

from main import greeting


class GreetingTest(unittest.TestCase):
    def test_a_greeting_names_the_greeted(self):
        self.assertEqual(greeting("you"), "Hello, you!")


if __name__ == "__main__":
    unittest.main()
TEXT
    ;;
  cpp)
    put main.cpp <<'TEXT'
#include <iostream>

int main() { std::cout << "Hello, world!\n"; }
TEXT
    printf 'main: main.cpp\n\tc++ -std=c++20 -Wall -o $@ $<\n' | put Makefile
    ;;
esac
echo "Filled $FOLDER"
