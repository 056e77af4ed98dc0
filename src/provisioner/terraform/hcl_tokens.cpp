#include "provisioner/terraform/hcl_tokens.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace slipway::provisioner::terraform {
namespace {

constexpr int kInterpolationsMax = 64;  // each takes stack

constexpr std::array<std::string_view, 11> kLongOperators = {"...", "==", "!=", "<=", ">=", "&&",
                                                             "||",  "=>", "::", "~}", "}~"};
constexpr std::string_view kPunctuation = "{}[]()=:,.?+-*/%<>!~&|^'`@#$;\\";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

void append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += char(code);
  } else if (code < 0x800) {
    text += char(0xC0 | (code >> 6));
    text += char(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += char(0xE0 | (code >> 12));
    text += char(0x80 | ((code >> 6) & 0x3F));
    text += char(0x80 | (code & 0x3F));
  } else {
    text += char(0xF0 | (code >> 18));
    text += char(0x80 | ((code >> 12) & 0x3F));
    text += char(0x80 | ((code >> 6) & 0x3F));
    text += char(0x80 | (code & 0x3F));
  }
}

class Tokenizer {
 public:
  Tokenizer(std::string_view source, const std::string& file) : source_(source), file_(file) {}

  std::vector<HclToken> run() {
    if (source_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (next()) {
    }
    tokens_.push_back({.kind = HclTokenKind::end, .source = {}, .line = line_, .last_line = line_, .value = {}});
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool at_end() const { return at_ >= source_.size(); }
  bool sees(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  [[noreturn]] void fail(std::size_t line, std::string_view reason) const {
    throw hcl_error({.file = file_, .line = line}, reason);
  }

  bool next();
  void skip_line() { at_ = std::min(source_.find('\n', at_), source_.size()); }
  void skip_comment();
  void add(HclTokenKind kind, std::size_t begin, std::size_t line, std::optional<std::string> value = {}) {
    tokens_.push_back({.kind = kind,
                       .source = source_.substr(begin, at_ - begin),
                       .line = line,
                       .last_line = line_,
                       .value = std::move(value)});
  }

  void read_word();
  void read_number();
  void read_punctuation();
  std::optional<std::string> read_text(int depth);
  void read_escape(std::string& value);
  void skip_interpolation(int depth);
  std::optional<std::string> read_heredoc(int depth);
  bool interpolates(std::string& value);

  std::string_view source_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::vector<HclToken> tokens_;
};

bool Tokenizer::next() {
  while (is_blank(peek())) ++at_;
  if (at_end()) return false;
  const char c = peek();
  const std::size_t begin = at_, line = line_;
  if (c == '\n') {
    ++at_;
    add(HclTokenKind::newline, begin, line);
    ++line_;
  } else if (c == '#' || sees("//")) {
    skip_line();
  } else if (sees("/*")) {
    skip_comment();
  } else if (c == '"') {
    auto value = read_text(0);
    add(HclTokenKind::text, begin, line, std::move(value));
  } else if (sees("<<") && (is_letter(peek(2)) || (peek(2) == '-' && is_letter(peek(3))))) {
    auto value = read_heredoc(0);
    add(HclTokenKind::heredoc, begin, line, std::move(value));
  } else if (is_letter(c)) {
    read_word();
  } else if (is_digit(c)) {
    read_number();
  } else {
    read_punctuation();
  }
  return true;
}

void Tokenizer::skip_comment() {
  const std::size_t line = line_;
  const std::size_t end = source_.find("*/", at_ + 2);
  if (end == source_.npos) fail(line, "the comment that begins here has no end");
  line_ += std::size_t(std::count(source_.begin() + std::ptrdiff_t(at_), source_.begin() + std::ptrdiff_t(end), '\n'));
  at_ = end + 2;
}

void Tokenizer::read_word() {
  const std::size_t begin = at_;
  while (is_letter(peek()) || is_digit(peek()) || peek() == '-') ++at_;
  add(HclTokenKind::identifier, begin, line_);
}

void Tokenizer::read_number() {
  const std::size_t begin = at_;
  while (is_digit(peek())) ++at_;
  if (peek() == '.' && is_digit(peek(1))) {
    ++at_;
    while (is_digit(peek())) ++at_;
  }
  if (peek() == 'e' || peek() == 'E') {
    const std::size_t digits = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
    if (is_digit(peek(digits))) {
      at_ += digits;
      while (is_digit(peek())) ++at_;
    }
  }
  add(HclTokenKind::number, begin, line_);
}

void Tokenizer::read_punctuation() {
  const std::size_t begin = at_;
  for (const auto op : kLongOperators) {
    if (sees(op)) {
      at_ += op.size();
      return add(HclTokenKind::punctuation, begin, line_);
    }
  }
  if (kPunctuation.find(peek()) == kPunctuation.npos) fail(line_, "a character that is none of the language");
  ++at_;
  add(HclTokenKind::punctuation, begin, line_);
}

// At "${" or "%{": true. At an escaped one, it goes into the value. Anything else: false, and nothing is read.
bool Tokenizer::interpolates(std::string& value) {
  if (sees("$${") || sees("%%{")) {
    value += source_.substr(at_ + 1, 2);
    at_ += 3;
    return false;
  }
  return sees("${") || sees("%{");
}

std::optional<std::string> Tokenizer::read_text(int depth) {
  const std::size_t line = line_;
  std::string value;
  bool literal = true;
  ++at_;
  while (true) {
    if (at_end() || peek() == '\n') fail(line, "the string that begins here has no end on its line");
    const std::size_t before = at_;
    if (interpolates(value)) {
      literal = false;
      skip_interpolation(depth);
    } else if (at_ != before) {
      continue;
    } else if (peek() == '"') {
      ++at_;
      break;
    } else if (peek() == '\\') {
      read_escape(value);
    } else {
      value += source_[at_++];
    }
  }
  if (!literal) return std::nullopt;
  return value;
}

void Tokenizer::read_escape(std::string& value) {
  const char kind = peek(1);
  at_ += 2;
  switch (kind) {
    case 'n':
      value += '\n';
      return;
    case 'r':
      value += '\r';
      return;
    case 't':
      value += '\t';
      return;
    case '"':
      value += '"';
      return;
    case '\\':
      value += '\\';
      return;
    case 'u':
    case 'U': {
      const std::size_t digits = kind == 'u' ? 4 : 8;
      const auto hex = source_.substr(std::min(at_, source_.size()), digits);
      if (hex.size() != digits || !std::ranges::all_of(hex, is_hex))
        fail(line_, "an escape \\" + std::string(1, kind) + " wants " + std::to_string(digits) + " hex digits");
      const auto code = std::uint32_t(std::stoul(std::string(hex), nullptr, 16));
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail(line_, "an escape that is no character");
      append_utf8(value, code);
      at_ += digits;
      return;
    }
    default:
      fail(line_, "a backslash in a string begins one of \\n \\r \\t \\\" \\\\ \\uNNNN \\UNNNNNNNN");
  }
}

// From its "${" to the brace that closes it: strings, comments and heredocs in it have braces of their own.
void Tokenizer::skip_interpolation(int depth) {
  const std::size_t line = line_;
  if (depth >= kInterpolationsMax) fail(line, "interpolations are nested too deeply");
  at_ += 2;
  std::size_t open = 1;
  while (open > 0) {
    if (at_end()) fail(line, "the interpolation that begins here has no end");
    const char c = peek();
    if (c == '"') {
      read_text(depth + 1);
    } else if (sees("/*")) {
      skip_comment();
    } else if (c == '#' || sees("//")) {
      skip_line();
    } else if (sees("<<") && (is_letter(peek(2)) || (peek(2) == '-' && is_letter(peek(3))))) {
      read_heredoc(depth + 1);
    } else {
      if (c == '\n') ++line_;
      if (c == '{') ++open;
      if (c == '}') --open;
      ++at_;
    }
  }
}

// How far the lines of a flush heredoc are indented, at least. Lines of nothing but blanks count for nothing only if
// they are empty.
std::size_t common_indentation(std::string_view text) {
  std::size_t least = text.npos;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    if (!line.empty()) least = std::min(least, std::min(line.find_first_not_of(" \t"), line.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return least == text.npos ? 0 : least;
}

std::string without_indentation(std::string_view text) {
  const std::size_t indentation = common_indentation(text);
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    line.remove_prefix(std::min(indentation, line.size()));
    result += line;
    if (end < text.size()) result += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::optional<std::string> Tokenizer::read_heredoc(int depth) {
  const std::size_t line = line_;
  at_ += 2;
  const bool flush = peek() == '-';
  if (flush) ++at_;
  const std::size_t marker_at = at_;
  while (is_letter(peek()) || is_digit(peek()) || peek() == '-') ++at_;
  const auto marker = source_.substr(marker_at, at_ - marker_at);
  while (is_blank(peek())) ++at_;
  if (peek() != '\n') fail(line, "the marker of a heredoc ends its line");
  ++at_;
  ++line_;

  std::string value;
  bool literal = true, line_begins = true;
  while (true) {
    if (at_end()) fail(line, "the heredoc that begins here has no line '" + std::string(marker) + "'");
    if (line_begins) {
      const auto here = source_.substr(at_, std::min(source_.find('\n', at_), source_.size()) - at_);
      const std::size_t first = std::min(here.find_first_not_of(" \t"), here.size());
      const std::size_t last = here.find_last_not_of(" \t\r");
      if (last != here.npos && here.substr(first, last + 1 - first) == marker) {
        at_ += last + 1;
        break;
      }
    }
    line_begins = false;
    const std::size_t before = at_;
    if (interpolates(value)) {
      literal = false;
      skip_interpolation(depth);
    } else if (at_ == before) {
      line_begins = peek() == '\n';
      if (line_begins) ++line_;
      if (!(peek() == '\r' && peek(1) == '\n')) value += peek();
      ++at_;
    }
  }
  if (!literal) return std::nullopt;
  return flush ? without_indentation(value) : value;
}

}  // namespace

base::Error hcl_error(const HclPlace& place, std::string_view reason) {
  return base::Error(base::ErrorClass::user, "TEMPLATE_INVALID", place.text() + ": " + std::string(reason));
}

std::vector<HclToken> hcl_tokens(std::string_view source, const std::string& file) {
  return Tokenizer(source, file).run();
}

}  // namespace slipway::provisioner::terraform
