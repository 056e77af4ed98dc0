#pragma once
// What the fuzz targets share. A target is one file NAME_fuzz.cpp: it hands the fuzzer's bytes to one parser, accepts a
// refusal of the kind that the parser promises, and otherwise asks for more than not crashing: what was read and
// written again is the same, in whatever pieces it came.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace slipway::fuzz {

// What always holds. Stays on in every build.
inline void must(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// Whether `parse` refused its input, as bad input is refused: an Error of class user. Anything else that it throws ends
// the program.
template <class Parse>
bool refused(Parse parse) {
  try {
    parse();
    return false;
  } catch (const base::Error& error) {
    must(error.error_class() == base::ErrorClass::user, "bad input is the user's error");
    must(!error.message().empty(), "an error says what is wrong");
    return true;
  }
}

}  // namespace slipway::fuzz

// A target's body: void. `input` is the fuzzer's bytes.
#define SLIPWAY_FUZZ(input)                                                                      \
  static void fuzz_one(std::string_view input);                                                  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {            \
    fuzz_one(std::string_view(reinterpret_cast<const char*>(data), data == nullptr ? 0 : size)); \
    return 0;                                                                                    \
  }                                                                                              \
  static void fuzz_one(std::string_view input)
