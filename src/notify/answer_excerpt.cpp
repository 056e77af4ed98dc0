#include "notify/answer_excerpt.h"

#include <algorithm>

namespace slipway::notify {

std::string excerpt(std::string_view text, std::size_t limit) {
  constexpr std::size_t kLongestCharacter = 4;
  std::string kept(text.substr(0, limit));
  std::ranges::replace(kept, '\0', '?');
  if (net::is_valid_utf8(kept)) return kept;
  if (text.size() > limit)  // perhaps only the cut went through a character
    for (std::size_t less = 1; less < kLongestCharacter && less < kept.size(); ++less)
      if (net::is_valid_utf8(std::string_view(kept).substr(0, kept.size() - less)))
        return kept.substr(0, kept.size() - less);
  for (char& byte : kept)
    if (static_cast<unsigned char>(byte) >= 0x80) byte = '?';
  return kept;
}

json::Value excerpt_headers(const net::Headers& headers, std::size_t limit) {
  json::Object kept;
  std::size_t size = 0;
  for (const auto& [name, value] : headers) {
    size += name.size() + value.size();
    if (size > limit) break;
    kept[excerpt(name, limit)] = excerpt(value, limit);
  }
  return kept;
}

}  // namespace slipway::notify
