#pragma once
// Plain structs, described once, to JSON and back.
//
//   struct CreateWorkspace { std::string name; std::optional<std::string> image_tag; };
//   SLIPWAY_JSON_SNAKE(CreateWorkspace, name, image_tag)      // {"name":…,"image_tag":…}
//   SLIPWAY_JSON_CAMEL(RunView, resource_type)                // {"resourceType":…}
//   auto request = json::parse<CreateWorkspace>(body);        // throws Error VALIDATION_ERROR naming the field
//
// Types that can be members: bool, integers (range-checked), double, std::string, Secret (prints as *redacted* unless
// asked), Instant (RFC 3339), Duration (a number of milliseconds), Id, described enums (by name), std::optional (absent
// or null when empty), std::vector, std::map<std::string, T>, json::Value, and other described structs.
//
// A described enum's names are its enumerators' in lower case, as written.
//
// What a member may hold beyond its type, and what it means, stands beside its struct, for readers of requests and for
// the schema (json_schema.h):
//
//   inline const json::Rules& json_rules(const CreateWorkspace*) {
//     static const json::Rules rules{{.member = "name", .description = "unique per owner", .max_length = 40}};
//     return rules;
//   }

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11.hpp>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/time.h"

namespace slipway::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

enum class Naming { snake, camel };

#define SLIPWAY_JSON_SNAKE(Type, ...) SLIPWAY_JSON_DESCRIBE(Type, ::slipway::json::Naming::snake, __VA_ARGS__)
#define SLIPWAY_JSON_CAMEL(Type, ...) SLIPWAY_JSON_DESCRIBE(Type, ::slipway::json::Naming::camel, __VA_ARGS__)
#define SLIPWAY_JSON_DESCRIBE(Type, naming, ...)                                                 \
  BOOST_DESCRIBE_STRUCT(Type, (), (__VA_ARGS__))                                                 \
  [[maybe_unused]] constexpr ::slipway::json::Naming json_naming(const Type*) { return naming; } \
  [[maybe_unused]] constexpr std::string_view json_type_name(const Type*) { return #Type; }

// How much the reader forgives. Requests are strict; what we wrote ourselves, perhaps with older code, is lenient.
enum class Mode {
  strict,   // unknown members and missing non-optional members are errors
  lenient,  // unknown members are skipped, missing ones keep the struct's default
};

// Whether secrets are shown: revealed only for what is sealed at rest or handed to the one who owns it. A marked one is
// {"$secret": text}, so that whoever stores the whole can find and seal it; reading takes both forms.
enum class Secrets { redacted, revealed, marked };

// Text to value. Limits nesting to 64, refuses duplicate members and invalid UTF-8. Throws VALIDATION_ERROR with the
// position. `field` names the whole in errors.
Value parse_value(std::string_view text, std::string_view field = "body");
std::string print_value(const Value& value);

// Where in the document the reader is, for errors: /metadata/repo. A chain on the stack, made into text only if needed.
struct Path {
  const Path* parent = nullptr;
  std::string_view name{};
  std::size_t index = 0;
  std::string str() const;
};
// The root of a document; errors there name a member of it.
inline constexpr Path kRoot{};

// Limits are enforced in strict mode, on the member's value, on each element's of an array, and are skipped where a
// value is of another type. The rest is for the schema.
struct Rule {
  std::string_view member;  // as the struct names it
  std::string_view description = {};
  std::optional<std::int64_t> minimum = {}, maximum = {};       // of numbers; of durations in ms
  std::optional<std::size_t> min_length = {}, max_length = {};  // of strings, in characters
  std::optional<std::size_t> max_items = {};                    // of arrays and maps
  std::string_view pattern = {};                                // ECMA 262; checked by the handler, in words
  std::string_view example = {};                                // as JSON
  bool nullable = false;                                        // null says something of its own
};
using Rules = std::vector<Rule>;
// Throws VALIDATION_ERROR where `value` breaks the rule.
void check(const Rule& rule, const Value& value, const Path& path);

[[noreturn]] void fail(const Path& path, std::string reason, Value allowed = nullptr);
// "expected a string, got a number"
[[noreturn]] void fail_type(const Path& path, std::string_view expected, const Value& got);
std::string to_camel(std::string_view snake);

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsId : std::false_type {};
template <class K>
struct IsId<base::Id<K>> : std::true_type {};

template <class T>
concept Described =
    boost::describe::has_describe_members<T>::value && requires { json_naming(static_cast<T*>(nullptr)); };
template <class T>
concept Ruled = requires { json_rules(static_cast<const T*>(nullptr)); };
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_public>;

// The member's name on the wire; made once for each member of each type.
template <class T, class Member>
const std::string& wire_name() {
  static const std::string name =
      json_naming(static_cast<T*>(nullptr)) == Naming::camel ? to_camel(Member::name) : std::string(Member::name);
  return name;
}

std::int64_t read_integer(const Value& value, const Path& path, std::int64_t low, std::int64_t high);

// The rule of that member, or null.
const Rule* find_rule(const Rules& rules, std::string_view member);

}  // namespace detail

template <class T>
T from_value(const Value& value, Mode mode = Mode::strict, const Path& path = {});

template <class T>
Value to_value(const T& value, Secrets secrets = Secrets::redacted);

template <class T>
T parse(std::string_view text, Mode mode = Mode::strict) {
  return from_value<T>(parse_value(text), mode);
}

template <class T>
std::string print(const T& value, Secrets secrets = Secrets::redacted) {
  return print_value(to_value(value, secrets));
}

// ---- reading

namespace detail {

template <class T>
T read_enum(const Value& value, const Path& path) {
  if (!value.is_string()) fail_type(path, "a string", value);
  const std::string_view text(value.get_string());
  std::optional<T> found;
  Array allowed;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
    if (text == enumerator.name) found = enumerator.value;
    allowed.emplace_back(enumerator.name);
  });
  if (!found) fail(path, "'" + std::string(text) + "' is not one of the allowed values", std::move(allowed));
  return *found;
}

template <class T>
T read_struct(const Value& value, Mode mode, const Path& path) {
  if (!value.is_object()) fail_type(path, "an object", value);
  const Object& object = value.get_object();
  T result{};
  std::size_t known = 0;
  boost::mp11::mp_for_each<Members<T>>([&](auto member) {
    auto& field = result.*member.pointer;
    using Field = std::remove_reference_t<decltype(field)>;
    const std::string& name = wire_name<T, decltype(member)>();
    const Path here{&path, name};
    if (const Value* found = object.if_contains(name)) {
      ++known;
      field = from_value<Field>(*found, mode, here);
      if constexpr (Ruled<T>) {
        if (mode == Mode::strict)
          if (const Rule* rule = find_rule(json_rules(static_cast<const T*>(nullptr)), member.name))
            check(*rule, *found, here);
      }
    } else if (mode == Mode::strict && !IsOptional<Field>::value && !std::is_same_v<Field, Value>) {
      fail(here, "is required");
    }
  });
  if (mode == Mode::strict && known != object.size()) {
    Array allowed;
    boost::mp11::mp_for_each<Members<T>>([&](auto member) { allowed.emplace_back(wire_name<T, decltype(member)>()); });
    for (const auto& [key, unused] : object) {
      bool is_known = false;
      for (const auto& name : allowed) is_known = is_known || name.get_string() == key;
      if (!is_known) fail(Path{&path, std::string_view(key)}, "is not a known field", std::move(allowed));
    }
  }
  return result;
}

}  // namespace detail

template <class T>
T from_value(const Value& value, Mode mode, const Path& path) {
  if constexpr (std::is_same_v<T, Value>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_bool()) fail_type(path, "true or false", value);
    return value.get_bool();
  } else if constexpr (detail::DescribedEnum<T>) {
    return detail::read_enum<T>(value, path);
  } else if constexpr (std::is_integral_v<T>) {
    constexpr std::int64_t high =
        sizeof(T) == 8 ? std::numeric_limits<std::int64_t>::max() : std::int64_t(std::numeric_limits<T>::max());
    return T(detail::read_integer(value, path, std::int64_t(std::numeric_limits<T>::min()), high));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) fail_type(path, "a number", value);
    return value.to_number<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) fail_type(path, "a string", value);
    return std::string(value.get_string());
  } else if constexpr (std::is_same_v<T, base::Secret> || detail::IsId<T>::value) {
    if constexpr (std::is_same_v<T, base::Secret>)
      if (mode == Mode::lenient && value.is_object() && value.get_object().contains("$secret"))
        return from_value<T>(value.get_object().at("$secret"), mode, path);
    if (!value.is_string()) fail_type(path, "a string", value);
    return T(std::string(value.get_string()));
  } else if constexpr (std::is_same_v<T, base::Instant>) {
    if (!value.is_string()) fail_type(path, "a time such as 2025-01-12T10:00:00Z", value);
    const auto at = base::parse_rfc3339(value.get_string());
    if (!at) fail(path, "is not a time such as 2025-01-12T10:00:00Z");
    return *at;
  } else if constexpr (std::is_same_v<T, base::Duration>) {
    return base::Duration(detail::read_integer(value, path, 0, std::numeric_limits<std::int64_t>::max()));
  } else if constexpr (detail::IsOptional<T>::value) {
    if (value.is_null()) return std::nullopt;
    return from_value<typename T::value_type>(value, mode, path);
  } else if constexpr (detail::IsVector<T>::value) {
    if (!value.is_array()) fail_type(path, "an array", value);
    T result;
    result.reserve(value.get_array().size());
    for (std::size_t i = 0; i < value.get_array().size(); ++i)
      result.push_back(from_value<typename T::value_type>(value.get_array()[i], mode, Path{&path, {}, i}));
    return result;
  } else if constexpr (detail::IsMap<T>::value) {
    if (!value.is_object()) fail_type(path, "an object", value);
    T result;
    for (const auto& [key, element] : value.get_object())
      result.emplace(key, from_value<typename T::mapped_type>(element, mode, Path{&path, std::string_view(key)}));
    return result;
  } else {
    static_assert(detail::Described<T>, "describe the type with SLIPWAY_JSON_SNAKE or SLIPWAY_JSON_CAMEL");
    return detail::read_struct<T>(value, mode, path);
  }
}

// ---- writing

template <class T>
Value to_value(const T& value, Secrets secrets) {
  if constexpr (std::is_same_v<T, Value> || std::is_same_v<T, bool> || std::is_floating_point_v<T>) {
    return Value(value);
  } else if constexpr (std::is_same_v<T, std::string> || std::is_convertible_v<T, std::string_view>) {
    return Value(boost::json::string(std::string_view(value)));
  } else if constexpr (detail::DescribedEnum<T>) {
    return Value(boost::describe::enum_to_string(value, ""));
  } else if constexpr (std::is_integral_v<T>) {
    return Value(value);
  } else if constexpr (std::is_same_v<T, base::Secret>) {
    if (secrets == Secrets::marked) return Object{{"$secret", value.reveal()}};
    return Value(secrets == Secrets::revealed ? std::string_view(value.reveal()) : base::kRedacted);
  } else if constexpr (detail::IsId<T>::value) {
    return Value(std::string_view(value.str()));
  } else if constexpr (std::is_same_v<T, base::Instant>) {
    return Value(std::string_view(base::format_rfc3339(value)));
  } else if constexpr (std::is_same_v<T, base::Duration>) {
    return Value(std::int64_t(value.count()));
  } else if constexpr (detail::IsOptional<T>::value) {
    return value ? to_value(*value, secrets) : Value(nullptr);
  } else if constexpr (detail::IsVector<T>::value) {
    Array array;
    array.reserve(value.size());
    for (const auto& element : value) array.push_back(to_value(element, secrets));
    return array;
  } else if constexpr (detail::IsMap<T>::value) {
    Object object;
    for (const auto& [key, element] : value) object.emplace(key, to_value(element, secrets));
    return object;
  } else {
    static_assert(detail::Described<T>, "describe the type with SLIPWAY_JSON_SNAKE or SLIPWAY_JSON_CAMEL");
    Object object;
    boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
      const auto& field = value.*member.pointer;
      if constexpr (detail::IsOptional<std::remove_cvref_t<decltype(field)>>::value) {
        if (!field) return;  // an empty optional is left out
      }
      object.emplace(detail::wire_name<T, decltype(member)>(), to_value(field, secrets));
    });
    return object;
  }
}

}  // namespace slipway::json
