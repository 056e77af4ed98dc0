#pragma once
// For this room. Lenient reading of answers: what is missing or of another type is empty, for servers grow new fields
// and an answer that can be used shall be.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace slipway::google {

// The member of an object; null for anything else.
const json::Value& member(const json::Value& value, std::string_view name);
// member of a member of …
template <class... Names>
const json::Value& member(const json::Value& value, std::string_view name, Names... more) {
  return member(member(value, name), more...);
}
const json::Array& elements(const json::Value& value);  // empty unless it is an array

std::string text(const json::Value& value);     // "" unless it is a string
std::int64_t number(const json::Value& value);  // also of a string of digits, as proto3 prints int64; else 0
bool flag(const json::Value& value);            // false unless it is true
std::vector<std::string> texts(const json::Value& value);
std::map<std::string, std::string> text_map(const json::Value& value);
std::optional<base::Instant> instant(const json::Value& value);    // RFC 3339
std::optional<base::Duration> duration(const json::Value& value);  // proto3: "3.5s", or {"seconds","nanos"}

std::string print_duration(base::Duration duration);  // proto3: "3.500s"

}  // namespace slipway::google
