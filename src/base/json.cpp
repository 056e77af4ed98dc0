#include "base/json.h"

#include <algorithm>
#include <boost/json/parse_options.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <cmath>

namespace slipway::json {

namespace {

constexpr std::size_t kDepthMax = 64;  // deeper is never meant; the parser recurses

std::string_view kind_name(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "true or false";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_:
      return "a number";
    case boost::json::kind::string:
      return "a string";
    case boost::json::kind::array:
      return "an array";
    case boost::json::kind::object:
      return "an object";
  }
  return "something else";
}

// A number too large for a double is read as infinity, which JSON cannot say: what we store we could not read again.
void refuse_infinite_numbers(const Value& value, std::string_view field) {
  if (const auto* number = value.if_double(); number != nullptr && !std::isfinite(*number))
    throw base::validation_error(field, "has a number that is too large");
  if (const auto* object = value.if_object())
    for (const auto& [key, element] : *object) refuse_infinite_numbers(element, field);
  if (const auto* array = value.if_array())
    for (const auto& element : *array) refuse_infinite_numbers(element, field);
}

// Boost.JSON keeps the last of duplicate members; a request that says a thing twice means neither. It keeps the count
// of what it read nowhere, so the text is walked once more, only over strings and brackets.
void refuse_duplicate_members(std::string_view text, const Value& root, std::string_view field) {
  struct Counter {
    std::size_t members = 0;
    void visit(const Value& value) {
      if (value.is_object()) {
        members += value.get_object().size();
        for (const auto& [key, element] : value.get_object()) visit(element);
      } else if (value.is_array()) {
        for (const auto& element : value.get_array()) visit(element);
      }
    }
  } parsed;
  parsed.visit(root);
  std::size_t written = 0;  // outside strings, every ':' belongs to one member
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      in_string = !in_string;
    else if (!in_string && text[i] == ':')
      ++written;
  }
  if (written != parsed.members) throw base::validation_error(field, "has the same member twice");
}

}  // namespace

Value parse_value(std::string_view text, std::string_view field) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::json::stream_parser parser({}, options);
  boost::json::error_code failure;
  const std::size_t read = parser.write_some(text.data(), text.size(), failure);
  if (!failure && read == text.size()) parser.finish(failure);
  if (failure || read < text.size())
    throw base::validation_error(field, "is not valid JSON at byte " + std::to_string(read) +
                                            (failure ? ": " + failure.message() : ": extra data"));
  Value value = parser.release();
  refuse_duplicate_members(text, value, field);
  refuse_infinite_numbers(value, field);
  return value;
}

std::string print_value(const Value& value) { return boost::json::serialize(value); }

std::string Path::str() const {
  if (parent == nullptr) return "";
  return parent->str() + "/" + (name.empty() ? std::to_string(index) : std::string(name));
}

void fail(const Path& path, std::string reason, Value allowed) {
  const std::string where = path.str();
  throw base::validation_error(where.empty() ? "body" : std::string_view(where).substr(1), std::move(reason),
                               std::move(allowed));
}

void fail_type(const Path& path, std::string_view expected, const Value& got) {
  fail(path, "expected " + std::string(expected) + ", got " + std::string(kind_name(got)));
}

namespace {

// Of UTF-8 that is known to be valid.
std::size_t count_characters(std::string_view text) {
  return std::size_t(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

void check_number(const Rule& rule, const Value& value, const Path& path) {
  const bool low = rule.minimum && value.to_number<double>() < double(*rule.minimum);
  const bool high = rule.maximum && value.to_number<double>() > double(*rule.maximum);
  if (!low && !high) return;
  if (!rule.maximum) fail(path, "must be at least " + std::to_string(*rule.minimum));
  if (!rule.minimum) fail(path, "must be at most " + std::to_string(*rule.maximum));
  fail(path, "must be between " + std::to_string(*rule.minimum) + " and " + std::to_string(*rule.maximum));
}

void check_text(const Rule& rule, std::string_view text, const Path& path) {
  const std::size_t length = count_characters(text);
  if (rule.min_length && length < *rule.min_length) {
    if (length == 0) fail(path, "must not be empty");
    fail(path, "must have at least " + std::to_string(*rule.min_length) + " characters");
  }
  if (rule.max_length && length > *rule.max_length)
    fail(path, "must have at most " + std::to_string(*rule.max_length) + " characters");
}

}  // namespace

void check(const Rule& rule, const Value& value, const Path& path) {
  if (value.is_number()) check_number(rule, value, path);
  if (value.is_string()) check_text(rule, value.get_string(), path);
  const std::size_t items = value.is_array()    ? value.get_array().size()
                            : value.is_object() ? value.get_object().size()
                                                : 0;
  if (rule.max_items && items > *rule.max_items)
    fail(path, "must have at most " + std::to_string(*rule.max_items) + " entries");
  if (!value.is_array()) return;
  for (std::size_t i = 0; i < items; ++i)
    if (!value.get_array()[i].is_array()) check(rule, value.get_array()[i], Path{&path, {}, i});
}

std::string to_camel(std::string_view snake) {
  std::string camel;
  bool upper = false;
  for (const char letter : snake) {
    if (letter == '_') {
      upper = true;
    } else {
      camel.push_back(upper && letter >= 'a' && letter <= 'z' ? char(letter - 'a' + 'A') : letter);
      upper = false;
    }
  }
  return camel;
}

namespace detail {

std::int64_t read_integer(const Value& value, const Path& path, std::int64_t low, std::int64_t high) {
  if (!value.is_number()) fail_type(path, "a whole number", value);
  boost::json::error_code failure;
  const auto number = value.to_number<std::int64_t>(failure);
  if (failure) fail(path, "expected a whole number that fits 64 bits");
  if (number < low || number > high)
    fail(path, "must be between " + std::to_string(low) + " and " + std::to_string(high));
  return number;
}

const Rule* find_rule(const Rules& rules, std::string_view member) {
  const auto found = std::ranges::find(rules, member, &Rule::member);
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace detail

}  // namespace slipway::json
