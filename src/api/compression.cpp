#include "api/compression.h"

#include <zlib.h>

#include <array>
#include <charconv>

#include "base/error.h"

namespace slipway::api {
namespace {

constexpr std::size_t kSmallest = 1'024;  // below, a packet is a packet
constexpr int kGzipWindow = 15 + 16;      // zlib: the largest window, with gzip's head and tail
constexpr int kMemoryLevel = 8;           // zlib's default
constexpr std::array kTextTypes = {"application/json", "application/problem+json", "text/", "application/javascript",
                                   "image/svg+xml",    "application/cloudevents"};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The weight of one element, `gzip;q=0.5`; 1 where none is given.
double weight_of(std::string_view element) {
  const auto at = element.find("q=");
  if (at == std::string_view::npos) return 1;
  double weight = 0;
  const auto text = element.substr(at + 2);
  std::from_chars(text.data(), text.data() + text.size(), weight);
  return weight;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const auto comma = accept_encoding.find(',');
    const auto element = trimmed(accept_encoding.substr(0, comma));
    const auto coding = trimmed(element.substr(0, element.find(';')));
    if (net::equal_ignoring_case(coding, "gzip") || net::equal_ignoring_case(coding, "x-gzip"))
      return weight_of(element) > 0;
    if (coding == "*") any = weight_of(element) > 0;
    if (comma == std::string_view::npos) break;
    accept_encoding.remove_prefix(comma + 1);
  }
  return any;
}

bool is_compressible(const net::Response& answer) {
  if (answer.body.size() < kSmallest || answer.headers.get("Content-Encoding")) return false;
  const auto type = answer.headers.get("Content-Type").value_or("");
  for (const std::string_view text : kTextTypes)
    if (type.starts_with(text)) return true;
  return false;
}

std::string gzip(std::string_view text, Effort effort) {
  z_stream stream{};
  const int level = effort == Effort::fast ? Z_BEST_SPEED : Z_BEST_COMPRESSION;
  if (::deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    throw base::internal_error("no memory to compress an answer");
  std::string packed(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = uInt(packed.size());
  const int outcome = ::deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  SLIPWAY_ASSERT(outcome == Z_STREAM_END);  // the bound is one
  return packed;
}

}  // namespace slipway::api
