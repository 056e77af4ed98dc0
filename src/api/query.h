#pragma once
// Query strings as described structs: ?status=running&limit=20 reads into the struct's members under their JSON names.
//
// An absent parameter leaves its member as the struct has it. Times may be dates, which mean the beginning of that day
// in UTC; vectors are separated by commas.

#include "api/call.h"
#include "base/json.h"

namespace slipway::api {

namespace detail {

// The one value of that name. Throws VALIDATION_ERROR when there are several.
std::optional<std::string> query_value(const Call& call, std::string_view name);
void refuse_unknown(const Call& call, const json::Array& known);
json::Value read_number(const std::string& text, const json::Path& path);
json::Value read_bool(const std::string& text, const json::Path& path);
std::string read_time(std::string text);

// The text as the JSON that from_value<Field> expects.
template <class Field>
json::Value query_json(const std::string& text, const json::Path& path) {
  if constexpr (json::detail::IsOptional<Field>::value) {
    return query_json<typename Field::value_type>(text, path);
  } else if constexpr (json::detail::IsVector<Field>::value) {
    json::Array items;
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = text.find(',', begin);
      items.push_back(query_json<typename Field::value_type>(text.substr(begin, end - begin), path));
    }
    return items;
  } else if constexpr (std::is_same_v<Field, bool>) {
    return read_bool(text, path);
  } else if constexpr ((std::is_integral_v<Field> && !json::detail::DescribedEnum<Field>) ||
                       std::is_same_v<Field, base::Duration>) {
    return read_number(text, path);
  } else if constexpr (std::is_same_v<Field, base::Instant>) {
    return json::Value(std::string_view(read_time(text)));
  } else {
    return json::Value(std::string_view(text));
  }
}

}  // namespace detail

// Throws VALIDATION_ERROR naming the parameter: one that T does not have, one given twice, a value of the wrong kind or
// outside the rules of T.
template <class T>
T parse_query(const Call& call) {
  T query{};
  json::Array known;
  boost::mp11::mp_for_each<json::detail::Members<T>>([&](auto member) {
    using Field = std::remove_reference_t<decltype(query.*member.pointer)>;
    const std::string& name = json::detail::wire_name<T, decltype(member)>();
    known.emplace_back(name);
    const auto text = detail::query_value(call, name);
    if (!text) return;
    const json::Path path{&json::kRoot, name};
    const json::Value value = detail::query_json<Field>(*text, path);
    query.*member.pointer = json::from_value<Field>(value, json::Mode::strict, path);
    if constexpr (json::detail::Ruled<T>)
      if (const auto* rule = json::detail::find_rule(json_rules(static_cast<const T*>(nullptr)), member.name))
        json::check(*rule, value, path);
  });
  detail::refuse_unknown(call, known);
  return query;
}

// For routes that take none.
struct NoQuery {};
SLIPWAY_JSON_CAMEL(NoQuery)

// ---- paging: the members `limit`, `page` and `cursor` of a query that has them

inline const json::Rule kLimitRule{
    .member = "limit", .description = "How many, at most", .minimum = 1, .maximum = kPageMax};
inline const json::Rule kPageRule{
    .member = "page", .description = "From 1; not with a cursor", .minimum = 1, .maximum = 1'000'000};
inline const json::Rule kCursorRule{.member = "cursor",
                                    .description =
                                        "`meta.pagination.nextCursor` of the answer before, with the same "
                                        "filters",
                                    .max_length = 2'000};

// Throws VALIDATION_ERROR when both a page and a cursor are given.
template <class T>
Paging paging_of(const T& query) {
  Paging paging{.limit = query.limit, .cursor = query.cursor.value_or("")};
  if constexpr (requires { query.page; }) {
    if (query.page && query.cursor) throw base::validation_error("cursor", "cannot be combined with page");
    paging.page = query.page.value_or(1);
  }
  return paging;
}

// Lists that are paged by cursor alone.
struct CursorQuery {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(CursorQuery, limit, cursor)
inline const json::Rules& json_rules(const CursorQuery*) {
  static const json::Rules rules{kLimitRule, kCursorRule};
  return rules;
}

}  // namespace slipway::api
