#pragma once
// What a route tells of itself: made from the types that its handler parses and answers with. The router keeps it, and
// the OpenAPI document (openapi.h, WF-47) is made from it.
//
//   router.add(net::Method::get, "/v1/queues/:name", Permission::admin, get,
//              {.id = "getQueue", .tag = "Queues", .summary = "One queue, with its longest keys",
//               .answer = one<QueueView>()});

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_schema.h"

namespace slipway::api {

using MakeSchema = json::Value (*)(json::Schemas&);
// OpenAPI's parameter objects.
using MakeParameters = json::Array (*)(json::Schemas&);

struct QueryOf {
  MakeParameters parameters = nullptr;  // null: the route takes no query
};
struct BodyOf {
  MakeSchema schema = nullptr;  // null: no body
  bool required = true;
  bool bytes = false;  // any bytes instead of JSON; then there is no schema
};
enum class AnswerShape {
  none,       // nothing but the status
  data,       // in the envelope
  page,       // in the envelope, an array, with meta.pagination
  document,   // JSON as it is
  text,       // text/plain
  lines,      // application/jsonl: a JSON text in each line
  html,       // text/html
  bytes,      // application/octet-stream
  stream,     // server-sent events and nothing else
  websocket,  // 101
};
struct AnswerOf {
  AnswerShape shape = AnswerShape::none;
  int status = 200;
  MakeSchema schema = nullptr;
};

struct Operation {
  std::string id;       // operationId: listQueues
  std::string tag;      // of openapi.cpp's list
  std::string summary;  // one line, without a full stop
  std::string description = {};
  QueryOf query = {};
  BodyOf body = {};
  AnswerOf answer = {};
  MakeSchema stream = nullptr;   // of one event's data, where `Accept: text/event-stream` gets a live stream
  bool etag = false;             // the answer has an ETag; If-None-Match on GET
  bool if_match = false;         // If-Match is honoured: 412
  bool prefer_wait = false;      // Prefer: wait=N is honoured
  std::size_t body_limit = 0;    // bytes; 0: the server's, which is enough for JSON. More: for those who are known
  std::vector<int> errors = {};  // statuses besides those that follow from permission, parameters, body and method
  bool hidden = false;           // another spelling of a route, or one for our own programs: not in the document
};

namespace detail {

// As OpenAPI's parameter object, with the value that an absent one has.
json::Value describe_parameter(std::string_view name, json::Value schema, bool required, json::Value usual);

template <class T>
json::Array parameters_of(json::Schemas& schemas) {
  json::Array parameters;
  const T usual{};
  boost::mp11::mp_for_each<json::detail::Members<T>>([&](auto member) {
    using Field = std::remove_cvref_t<decltype(usual.*member.pointer)>;
    json::Value schema = schemas.of<Field>();
    if constexpr (json::detail::Ruled<T>)
      if (const auto* rule = json::detail::find_rule(json_rules(static_cast<const T*>(nullptr)), member.name))
        json::apply(*rule, schema.as_object());
    json::Value value = nullptr;
    if constexpr (!json::detail::IsOptional<Field>::value) value = json::to_value(usual.*member.pointer);
    parameters.push_back(
        describe_parameter(json::detail::wire_name<T, decltype(member)>(), std::move(schema), false, std::move(value)));
  });
  return parameters;
}

template <class T>
json::Value schema_of(json::Schemas& schemas) {
  return schemas.of<T>();
}

}  // namespace detail

// The members of T are the route's query parameters; none is required. Read them with parse_query<T> (query.h).
template <class T>
QueryOf query_of() {
  return {&detail::parameters_of<T>};
}
// Read it with parse_body<T> (call.h).
template <class T>
BodyOf body_of() {
  return {&detail::schema_of<T>, true};
}
// An absent body reads as {}.
template <class T>
BodyOf optional_body_of() {
  return {&detail::schema_of<T>, false};
}
inline BodyOf body_of_bytes() { return {nullptr, true, true}; }
template <class T>
AnswerOf one(int status = 200) {
  return {AnswerShape::data, status, &detail::schema_of<T>};
}
template <class T>
AnswerOf page_of() {
  return {AnswerShape::page, 200, &detail::schema_of<T>};
}
inline AnswerOf answer_of(AnswerShape shape, int status = 200) { return {shape, status, nullptr}; }
// `.stream = events_of<ChangeView>()`
template <class T>
MakeSchema events_of() {
  return &detail::schema_of<T>;
}

}  // namespace slipway::api
