#include "base/json_scan.h"

#include <string>

namespace slipway::json {
namespace {

std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return text.npos;
}

}  // namespace

std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (at >= text.size() || std::string_view("\"{[").find(text[at]) == text.npos) return text.npos;
  std::string open;  // the brackets that end what is open
  while ((at = text.find_first_of("\"{}[]", at)) != text.npos) {
    const char c = text[at];
    at = c == '"' ? end_of_string(text, at) : at + 1;
    if (at == text.npos) return text.npos;
    if (c == '{' || c == '[') open += c == '{' ? '}' : ']';
    if (c == '}' || c == ']') {
      if (open.back() != c) return text.npos;
      open.pop_back();
    }
    if (open.empty()) return at;
  }
  return text.npos;
}

}  // namespace slipway::json
