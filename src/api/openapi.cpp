#include "api/openapi.h"

#include <algorithm>
#include <array>
#include <set>

#include "api/openapi_webhooks.h"
#include "net/http.h"

namespace slipway::api {
namespace {

struct Tag {
  std::string_view name;
  std::string_view description;
};
constexpr std::array kTags = {
    Tag{"Workspaces", "Machines that people work on"},
    Tag{"Workstations", "Workspaces on Google's Cloud Workstations, sold by tier"},
    Tag{"Templates", "What workspaces are built from, in versions"},
    Tag{"States", "What provisioners remember of the workspaces that they have built"},
    Tag{"Quota", "What workspaces may cost, by group"},
    Tag{"Organizations", "Whose workstations they are, and into which network they go"},
    Tag{"Runs", "What workflows do and did, step by step"},
    Tag{"Metrics", "Runs in numbers"},
    Tag{"Events", "Changes as they happen"},
    Tag{"Webhooks", "Endpoints that are told of changes, and what was delivered to them"},
    Tag{"Alerts", "What needs the attention of a person"},
    Tag{"Messages", "What a Pub/Sub subscription delivered, and what was made of it"},
    Tag{"Schedules", "Runs by the calendar"},
    Tag{"Queues", "How many runs may be at work"},
    Tag{"Jobs", "Work for provisioner daemons"},
    Tag{"Daemons", "Provisioner daemons, and the keys that they show"},
    Tag{"Identity", "Who may ask"},
    Tag{"Audit", "Who did what"},
    Tag{"System", "The hub itself"},
};

constexpr std::string_view kBytes = "application/octet-stream";

constexpr std::string_view kAbout =
    "The control plane for machines that people work on. Every change runs as a durable workflow: the answer to a "
    "change is 202 with its run. In requests, null reads as absent, a date as its beginning in UTC; unknown fields are "
    "refused. Later versions may add "
    "fields to answers, values to enumerations and types of events.";

json::Object reference(std::string_view section, std::string_view name) {
  return {{"$ref", "#/components/" + std::string(section) + "/" + std::string(name)}};
}

// ---- components that every operation refers to

void add_common_schemas(json::Schemas& schemas) {
  schemas.add("Meta", json::Object{{"type", "object"},
                                   {"required", json::Array{"requestId", "timestamp"}},
                                   {"properties", json::Object{{"requestId", json::Object{{"type", "string"}}},
                                                               {"timestamp", schemas.of<base::Instant>()}}}});
  const json::Value page = schemas.of<Page>();
  schemas.add("ListMeta", json::Object{{"type", "object"},
                                       {"required", json::Array{"requestId", "timestamp", "pagination"}},
                                       {"properties", json::Object{{"requestId", json::Object{{"type", "string"}}},
                                                                   {"timestamp", schemas.of<base::Instant>()},
                                                                   {"pagination", page}}}});
  const json::Object error{
      {"type", "object"},
      {"required", json::Array{"code", "message"}},
      {"properties",
       json::Object{{"code", json::Object{{"type", "string"}, {"examples", json::Array{"VALIDATION_ERROR"}}}},
                    {"message", json::Object{{"type", "string"}, {"description", "For people"}}},
                    {"details", json::Object{{"description",
                                              "What programs may use: of a VALIDATION_ERROR, field and reason"}}}}}};
  schemas.add("Error", json::Object{{"type", "object"},
                                    {"required", json::Array{"success", "error", "meta"}},
                                    {"properties", json::Object{{"success", json::Object{{"const", false}}},
                                                                {"error", error},
                                                                {"meta", json::reference_to("Meta")}}}});
  schemas.add("ProblemDetails",
              json::Object{{"type", "object"},
                           {"description", "RFC 9457, where the request accepts application/problem+json"},
                           {"required", json::Array{"type", "title", "status", "detail", "code", "requestId"}},
                           {"properties", json::Object{{"type", json::Object{{"type", "string"}}},
                                                       {"title", json::Object{{"type", "string"}}},
                                                       {"status", json::Object{{"type", "integer"}}},
                                                       {"detail", json::Object{{"type", "string"}}},
                                                       {"code", json::Object{{"type", "string"}}},
                                                       {"requestId", json::Object{{"type", "string"}}},
                                                       {"details", json::Object{}}}}});
}

json::Object header_parameter(std::string_view name, std::string_view description, std::string_view example) {
  return {{"name", name},
          {"in", "header"},
          {"description", description},
          {"schema", json::Object{{"type", "string"}, {"examples", json::Array{example}}}}};
}

json::Object common_parameters() {
  return {
      {"IdempotencyKey",
       header_parameter("Idempotency-Key",
                        "The same key and body within 24 hours give the first answer again, with `Idempotent-Replayed`",
                        "0b0f5a52-6c0e-4a1f-8f3e-0d2f5a1c9e11")},
      {"IfMatch", header_parameter("If-Match", "Do it only if this is still the resource's ETag: else 412", "\"3-0\"")},
      {"IfNoneMatch", header_parameter("If-None-Match", "304 when this is still the resource's ETag", "\"3-0\"")},
      {"Prefer", header_parameter("Prefer", "`wait=N` waits up to N (of 60) seconds for the run's end", "wait=10")},
      {"TraceParent",
       header_parameter("traceparent", "W3C Trace Context: what the request begins belongs to this trace",
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
      {"LastEventId", header_parameter("Last-Event-ID", "Go on after this event of a live stream", "41")}};
}

json::Object common_headers() {
  const auto header = [](std::string_view description, bool required = true) {
    return json::Object{
        {"description", description}, {"required", required}, {"schema", json::Object{{"type", "string"}}}};
  };
  return {
      {"RequestId", header("The request's id, as in the logs and the audit")},
      {"ETag", header("The resource's version")},
      {"Location", header("Where the run is")},
      {"Replayed", header("true: an earlier request with this Idempotency-Key did it, and this was its answer", false)},
      {"RetryAfter", header("Seconds")},
      {"RateLimit", header("What is left of the caller's rate: `\"default\";r=5999;t=1`", false)},
      {"RateLimitPolicy", header("The rate itself: `\"default\";q=6000;w=60`", false)}};
}

// Only those that are referred to anywhere in `text`.
json::Object used(json::Object components, std::string_view section, std::string_view text) {
  json::Object kept;
  for (auto& [name, component] : components)
    if (text.contains("\"#/components/" + std::string(section) + "/" + std::string(name) + "\""))
      kept[name] = std::move(component);
  return kept;
}

// ---- one operation

json::Object body_content(const json::Value& schema, std::string_view type = "application/json") {
  return {{type, json::Object{{"schema", schema}}}};
}

json::Object envelope(const json::Value& data, std::string_view meta) {
  return {{"type", "object"},
          {"required", json::Array{"success", "data", "meta"}},
          {"properties", json::Object{{"success", json::Object{{"const", true}}},
                                      {"data", data},
                                      {"meta", json::reference_to(std::string(meta))}}}};
}

json::Object answer_content(const Operation& operation, json::Schemas& schemas) {
  const auto& answer = operation.answer;
  const json::Value data = answer.schema != nullptr ? answer.schema(schemas) : json::Value(json::Object{});
  json::Object content;
  switch (answer.shape) {
    case AnswerShape::data:
      content = body_content(envelope(data, "Meta"));
      break;
    case AnswerShape::page:
      content = body_content(envelope(json::Object{{"type", "array"}, {"items", data}}, "ListMeta"));
      break;
    case AnswerShape::document:
      content = body_content(json::Object{{"type", "object"}});
      break;
    case AnswerShape::text:
      content = body_content(json::Object{{"type", "string"}}, "text/plain");
      break;
    case AnswerShape::lines:
      content = body_content(json::Object{{"type", "string"}}, "application/jsonl");
      break;
    case AnswerShape::html:
      content = body_content(json::Object{{"type", "string"}}, "text/html");
      break;
    case AnswerShape::bytes:
      content = body_content(json::Object{}, kBytes);
      break;
    case AnswerShape::none:
    case AnswerShape::stream:
    case AnswerShape::websocket:
      break;
  }
  if (operation.stream != nullptr)
    content["text/event-stream"] =
        json::Object{{"schema", json::Object{{"type", "string"},
                                             {"description", "Server-sent events, whose data is this as JSON"},
                                             {"contentMediaType", "application/json"},
                                             {"contentSchema", operation.stream(schemas)}}}};
  return content;
}

void add_rate_headers(json::Object& headers) {
  headers["RateLimit"] = reference("headers", "RateLimit");
  headers["RateLimit-Policy"] = reference("headers", "RateLimitPolicy");
}

json::Object answer_of_operation(const Router::Route& route, json::Schemas& schemas) {
  const auto& operation = route.operation;
  const bool replayable = route.method != net::Method::get;
  json::Object headers{{"X-Request-Id", reference("headers", "RequestId")}};
  if (operation.etag) headers["ETag"] = reference("headers", "ETag");
  if (operation.answer.status == 202) {
    headers["Location"] = reference("headers", "Location");
    headers["Retry-After"] = reference("headers", "RetryAfter");
  }
  if (replayable) headers["Idempotent-Replayed"] = reference("headers", "Replayed");
  if (route.permission != Permission::open) add_rate_headers(headers);
  json::Object answer{{"description", operation.summary}, {"headers", std::move(headers)}};
  if (auto content = answer_content(operation, schemas); !content.empty()) answer["content"] = std::move(content);
  return answer;
}

std::set<int> error_statuses(const Router::Route& route) {
  const auto& operation = route.operation;
  std::set<int> statuses{400, 429, 500, 503};
  statuses.insert(operation.errors.begin(), operation.errors.end());
  if (route.permission != Permission::open) statuses.insert(401);
  if (route.permission == Permission::admin || route.permission == Permission::admin_or_daemon) statuses.insert(403);
  if (route.pattern.find(':') != std::string::npos) statuses.insert(404);
  if (operation.body.schema != nullptr || operation.body.bytes) statuses.insert(413);
  if (operation.if_match) statuses.insert(412);
  if (route.method != net::Method::get) statuses.insert({409, 422});  // of an Idempotency-Key, or as errors of its own
  return statuses;
}

json::Object answers(const Router::Route& route, json::Schemas& schemas) {
  const auto& answer = route.operation.answer;
  json::Object all{{std::to_string(answer.status), answer_of_operation(route, schemas)}};
  // What a proxy that speaks HTTP/2 makes of it.
  if (answer.shape == AnswerShape::websocket)
    all["200"] = json::Object{{"description", "Over HTTP/2 (RFC 8441): the websocket is open"}};
  if (route.operation.etag && route.method == net::Method::get)
    all["304"] = json::Object{{"description", "It is still what If-None-Match says"},
                              {"headers", json::Object{{"ETag", reference("headers", "ETag")}}}};
  for (const int status : error_statuses(route)) {
    const auto name = std::to_string(status);
    if (!all.contains(name)) all[name] = reference("responses", "Error" + name);
  }
  return all;
}

// What a path's parameter names, by the segment before it.
std::string whose(std::string_view collection) {
  if (collection == "schedules") return "The schedule's id or name";
  if (collection == "why") return "The id of a workspace or run";
  if (collection == "audit") return "The entry's place in the chain";
  std::string one(collection);
  if (one.ends_with('s')) one.pop_back();
  return "Of the " + one;
}

// Takes no Idempotency-Key. A key is its caller's, and there is none; a daemon's calls may be repeated as they are; and
// what only asks changes nothing.
bool is_repeatable(const Router::Route& route) {
  return route.permission == Permission::open || route.permission == Permission::daemon ||
         route.operation.id == "checkQuota";
}

json::Array parameters(const Router::Route& route, json::Schemas& schemas) {
  const auto& operation = route.operation;
  json::Array all;
  for (std::size_t i = 1; i < route.segments.size(); ++i)
    if (const auto& segment = route.segments[i]; segment.starts_with(':'))
      all.push_back(detail::describe_parameter(
          segment.substr(1),
          json::Object{{"type", "string"}, {"minLength", 1}, {"description", whose(route.segments[i - 1])}}, true,
          nullptr));
  if (operation.query.parameters != nullptr)
    for (auto& parameter : operation.query.parameters(schemas)) all.push_back(std::move(parameter));
  const bool get = route.method == net::Method::get;
  if (!get && !is_repeatable(route)) all.push_back(reference("parameters", "IdempotencyKey"));
  if (!get) all.push_back(reference("parameters", "TraceParent"));
  if (operation.if_match) all.push_back(reference("parameters", "IfMatch"));
  if (operation.etag && get) all.push_back(reference("parameters", "IfNoneMatch"));
  if (operation.prefer_wait) all.push_back(reference("parameters", "Prefer"));
  if (operation.stream != nullptr) all.push_back(reference("parameters", "LastEventId"));
  return all;
}

// What is required, and what has an example of its own.
json::Value example_of(const json::Value& schema, const json::Schemas& schemas) {
  const auto& object = schema.as_object();
  if (const auto* examples = object.if_contains("examples")) return examples->at(0);
  if (const auto* reference = object.if_contains("$ref")) {
    const std::string_view name = reference->as_string();
    return example_of(schemas.component(std::string(name.substr(name.rfind('/') + 1))), schemas);
  }
  if (const auto* allowed = object.if_contains("enum")) return allowed->at(0);
  const auto* type = object.if_contains("type");
  if (type == nullptr || !type->is_string()) return json::Object{};
  if (*type == "boolean") return true;
  if (*type == "integer" || *type == "number") return object.contains("minimum") ? object.at("minimum") : 1;
  if (*type == "array") return json::Array{example_of(object.at("items"), schemas)};
  if (*type == "string")
    return object.contains("format") && object.at("format") == "date-time" ? "2025-01-12T10:00:00Z" : "text";
  json::Object example;
  if (const auto* properties = object.if_contains("properties"))
    for (const auto& [name, property] : properties->as_object()) {
      const auto* required = object.if_contains("required");
      const bool is_required = required != nullptr && std::ranges::count(required->as_array(), json::Value(name)) > 0;
      if (is_required || property.as_object().contains("examples")) example[name] = example_of(property, schemas);
    }
  return example;
}

json::Object describe_route(const Router::Route& route, json::Schemas& schemas) {
  const auto& operation = route.operation;
  json::Object described{
      {"operationId", operation.id}, {"tags", json::Array{operation.tag}}, {"summary", operation.summary}};
  described["description"] = operation.description.empty() ? operation.summary + "." : operation.description;
  if (auto all = parameters(route, schemas); !all.empty()) described["parameters"] = std::move(all);
  if (operation.body.schema != nullptr) {
    auto content = body_content(operation.body.schema(schemas));
    if (auto example = example_of(operation.body.schema(schemas), schemas); !example.as_object().empty())
      content["application/json"].as_object()["example"] = std::move(example);
    described["requestBody"] = json::Object{{"required", operation.body.required}, {"content", std::move(content)}};
  }
  if (operation.body.bytes)
    described["requestBody"] =
        json::Object{{"required", operation.body.required}, {"content", body_content(json::Object{}, kBytes)}};
  described["responses"] = answers(route, schemas);
  if (route.permission == Permission::open) described["security"] = json::Array{};
  return described;
}

// /v1/queues/:name as OpenAPI writes it.
std::string path_of(const Router::Route& route) {
  std::string path;
  for (const auto& segment : route.segments)
    path += segment.starts_with(':') ? "/{" + segment.substr(1) + "}" : "/" + segment;
  return path;
}

std::string method_key(net::Method method) {
  std::string name(net::to_string(method));
  std::ranges::transform(name, name.begin(), [](char letter) { return char(letter - 'A' + 'a'); });
  return name;
}

json::Object error_responses(const std::set<int>& statuses) {
  json::Object all;
  for (const int status : statuses) {
    json::Object headers{{"X-Request-Id", reference("headers", "RequestId")}};
    if (status == 429 || status == 503) headers["Retry-After"] = reference("headers", "RetryAfter");
    if (status == 429) add_rate_headers(headers);
    json::Object content = body_content(json::reference_to("Error"));
    content["application/problem+json"] = json::Object{{"schema", json::reference_to("ProblemDetails")}};
    all["Error" + std::to_string(status)] = json::Object{
        {"description", net::status_text(status)}, {"headers", std::move(headers)}, {"content", std::move(content)}};
  }
  return all;
}

json::Array tags() {
  json::Array all;
  for (const auto& tag : kTags) all.push_back(json::Object{{"name", tag.name}, {"description", tag.description}});
  return all;
}

}  // namespace

json::Value detail::describe_parameter(std::string_view name, json::Value schema, bool required, json::Value usual) {
  json::Object parameter{{"name", name}, {"in", required ? "path" : "query"}};
  if (required) parameter["required"] = true;
  auto& object = schema.as_object();
  if (const auto* description = object.if_contains("description")) {
    parameter["description"] = *description;
    object.erase("description");
  }
  if (!usual.is_null()) object["default"] = std::move(usual);
  const auto* type = object.if_contains("type");
  if (type != nullptr && type->is_string() && type->get_string() == "array") {  // a,b,c
    parameter["style"] = "form";
    parameter["explode"] = false;
  }
  parameter["schema"] = std::move(schema);
  return parameter;
}

json::Value describe(const Router& router, std::string_view version) {
  json::Schemas schemas;
  add_common_schemas(schemas);
  std::set<std::string> ids;
  std::set<int> statuses;
  json::Object paths;
  for (const auto& route : router.routes()) {
    if (route.operation.hidden) continue;
    if (route.operation.id.empty() || route.operation.tag.empty() || route.operation.summary.empty())
      throw base::internal_error("the route " + route.pattern + " does not say what it does");
    if (!ids.insert(route.operation.id).second)
      throw base::internal_error("two operations are called " + route.operation.id);
    statuses.merge(error_statuses(route));
    auto& methods = paths[path_of(route)];
    if (methods.is_null()) methods = json::Object{};
    methods.as_object()[method_key(route.method)] = describe_route(route, schemas);
  }
  json::Object webhooks = describe_webhooks(schemas);  // before the components that it needs are listed
  json::Object responses = error_responses(statuses);
  const std::string text = json::print_value(paths) + json::print_value(responses);
  const json::Object bearer{
      {"type", "http"}, {"scheme", "bearer"}, {"description", "An API key: `Authorization: Bearer slk_…`"}};
  return json::Object{
      {"openapi", "3.1.0"},
      {"info", json::Object{{"title", "Slipway"},
                            {"version", version},
                            {"description", kAbout},
                            {"contact", json::Object{{"name", "Whoever operates this hub"}}},
                            {"license", json::Object{{"name", "Apache 2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", json::Array{json::Object{{"url", "/"}, {"description", "This hub"}}}},
      {"security", json::Array{json::Object{{"apiKey", json::Array{}}}}},
      {"tags", tags()},
      {"paths", std::move(paths)},
      {"webhooks", std::move(webhooks)},
      {"components", json::Object{{"schemas", schemas.components()},
                                  {"parameters", used(common_parameters(), "parameters", text)},
                                  {"headers", used(common_headers(), "headers", text)},
                                  {"responses", std::move(responses)},
                                  {"securitySchemes", json::Object{{"apiKey", bearer}}}}}};
}

}  // namespace slipway::api
