// The first line's target: path, segments, query; and percent-encoding by itself.

#include "fuzz.h"
#include "net/http.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  fuzz::must(net::percent_decode(net::percent_encode(input)) == input, "encoding is undone by decoding");
  if (const auto decoded = net::percent_decode(input))
    fuzz::must(decoded->size() <= input.size(), "decoding never makes text longer");

  net::Request request;
  if (fuzz::refused([&] { net::set_target(request, input); })) return;
  fuzz::must(request.path.starts_with('/') && net::is_valid_utf8(request.path), "a path is clean");
  for (const char c : request.path) fuzz::must(std::uint8_t(c) >= 0x20 && c != 0x7f, "a path has no control character");
  std::string path;
  for (const auto& segment : request.segments) {
    fuzz::must(net::is_valid_utf8(segment), "a segment is clean");
    path += "/" + net::percent_encode(segment);
  }
  net::Request again;
  net::set_target(again, path.empty() ? "/" : path);
  fuzz::must(again.segments == request.segments, "segments make the same path again");
  for (const auto& [name, value] : request.query)
    fuzz::must(net::is_valid_utf8(name) && net::is_valid_utf8(value), "a query is clean");
}
