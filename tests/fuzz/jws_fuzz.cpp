// Tokens that anybody can send: the head and the claims, before a signature is looked at.

#include <algorithm>

#include "fuzz.h"
#include "google/jws.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  fuzz::refused([&] {
    const google::Jws jws = google::parse_jws(input);
    fuzz::must(jws.claims.is_object(), "claims are an object");
    fuzz::must(std::ranges::count(input, '.') == 2 && !input.ends_with('.'), "what is taken has three parts");
    const std::string again = json::print_value(jws.claims);
    fuzz::must(json::parse_value(again) == jws.claims, "claims survive being printed and read");
  });
}
