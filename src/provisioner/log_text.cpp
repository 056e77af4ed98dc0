#include "provisioner/log_text.h"

#include <algorithm>

namespace slipway::provisioner {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

// Bytes of the UTF-8 character that begins there; 0: none does. RFC 3629 §4.
std::size_t character_length(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte_at(text, at + 1);
  const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_surrogate = first == 0xED && second > 0x9F;
  const bool is_too_great = first == 0xF4 && second > 0x8F;
  return is_overlong || is_surrogate || is_too_great ? 0 : length;
}

bool is_control(unsigned c) { return (c < 0x20 && c != '\t' && c != 0x1B) || c == 0x7F; }

}  // namespace

std::string clean_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (std::ranges::all_of(line, [](unsigned char c) { return c >= 0x20 && c < 0x7F; })) return std::string(line);
  std::string clean;
  clean.reserve(line.size());
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t length = character_length(line, at);
    if (length == 0 || is_control(byte_at(line, at))) {
      clean += kReplacement;
      ++at;
    } else {
      clean += line.substr(at, length);
      at += length;
    }
  }
  return clean;
}

std::string valid_utf8(std::string text) {
  std::string valid;
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_length(text, at);
    if (length == 0) {
      valid.append(text, copied, at - copied).append(kReplacement);
      copied = at + 1;
    }
    at += std::max<std::size_t>(length, 1);
  }
  return copied == 0 ? std::move(text) : valid.append(text, copied);
}

std::vector<std::string> clean_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(clean_line(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace slipway::provisioner
