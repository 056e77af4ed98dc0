#include <algorithm>
#include <cctype>

#include "google/error.h"

namespace slipway::google {

namespace {

constexpr std::size_t kMessageBytesMax = 1'000;
constexpr std::size_t kWordBytesMax = 120;  // longer without a '/' is no word and no name: a key, or part of one

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._~+/=%-").contains(c);
}

bool is_secret(std::string_view word) {
  // JWTs, Google's access and refresh tokens, API keys and client secrets begin like this.
  for (const std::string_view start : {"eyJ", "ya29.", "1//", "AIza", "GOCSPX-"})
    if (word.starts_with(start) && word.size() > start.size() + 8) return true;
  for (const std::string_view name : {"token=", "assertion=", "secret=", "password="})
    if (const auto at = word.find(name); at != std::string_view::npos && word.size() > at + name.size()) return true;
  return word.size() > kWordBytesMax && !word.contains('/');
}

void cut(std::string& text) {
  if (text.size() <= kMessageBytesMax) return;
  std::size_t end = kMessageBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
  text.resize(end);
  text += "…";
}

}  // namespace

std::string scrub(std::string_view text) {
  text = text.substr(0, text.find("-----BEGIN"));
  std::string result;
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, is_word_character);
    const std::string_view word(text.begin(), end);
    const bool after_bearer = result.ends_with("Bearer ") && !word.empty();
    result += after_bearer || is_secret(word) ? base::kRedacted : word;
    text.remove_prefix(word.size());
    const auto next = std::ranges::find_if(text, is_word_character);
    result.append(text.begin(), next);
    text.remove_prefix(std::size_t(next - text.begin()));
  }
  cut(result);
  return result;
}

}  // namespace slipway::google
