#pragma once
// A text for people, cut to what a record keeps of it.

#include <string>

namespace slipway::fleet {

// At most `bytes_max` bytes and '…'; cut between characters.
inline std::string shortened(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  auto end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace slipway::fleet
