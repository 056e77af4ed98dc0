#include "api/openapi_webhooks.h"

#include <cctype>

#include "fleet/alert.h"
#include "fleet/job_change.h"
#include "fleet/run_changes.h"
#include "fleet/template_change.h"
#include "fleet/workspace.h"
#include "fleet/workstation.h"
#include "notify/webhook_events.h"

namespace slipway::api {
namespace {

json::Object text(std::string_view description) { return {{"type", "string"}, {"description", description}}; }

json::Object object(json::Object properties) {
  json::Array required;
  for (const auto& [name, schema] : properties) required.emplace_back(name);
  return {{"type", "object"}, {"required", std::move(required)}, {"properties", std::move(properties)}};
}

// What a message is about: the resource as it became, or only its id where that is too large to be sent.
json::Value data_of(std::string_view type, json::Schemas& schemas) {
  json::Value whole = json::Object{{"type", "object"}};
  if (type.starts_with("workspace.")) whole = schemas.of<fleet::Workspace>();
  if (type.starts_with("workstation.")) whole = schemas.of<fleet::Workstation>();
  if (type.starts_with("template.")) whole = schemas.of<fleet::TemplateChange>();
  if (type.starts_with("template.version.")) whole = schemas.of<fleet::VersionChange>();
  if (type.starts_with("job.")) whole = schemas.of<fleet::JobChange>();
  if (type.starts_with("alert.")) whole = schemas.of<fleet::Alert>();
  if (type.starts_with("run.") || type.starts_with("step.")) whole = schemas.of<fleet::RunChange>();
  const auto truncated =
      object({{"id", text("Of what the message is about")}, {"truncated", json::Object{{"const", true}}}});
  return json::Object{{"anyOf", json::Array{whole, truncated}}};
}

json::Object header(std::string_view name, std::string_view description) {
  return {{"name", name},
          {"in", "header"},
          {"required", true},
          {"description", description},
          {"schema", json::Object{{"type", "string"}}}};
}

// run.needs_attention → onRunNeedsAttention
std::string operation_id(std::string_view type) {
  std::string id = "on";
  bool upper = true;
  for (const char letter : type) {
    if (letter == '.' || letter == '_') {
      upper = true;
    } else {
      id += upper ? char(std::toupper(static_cast<unsigned char>(letter))) : letter;
      upper = false;
    }
  }
  return id;
}

json::Object describe_message(std::string_view type, json::Schemas& schemas) {
  const json::Value data = data_of(type, schemas);
  const json::Object named{{"const", type}};
  const auto time = schemas.of<base::Instant>();
  const auto standard = object({{"type", named}, {"timestamp", time}, {"data", data}});
  const auto event = object({{"specversion", json::Object{{"const", "1.0"}}},
                             {"id", text("The same for every delivery of one event")},
                             {"source", text("This hub")},
                             {"type", named},
                             {"subject", text("The id of what it is about")},
                             {"time", time},
                             {"datacontenttype", json::Object{{"const", "application/json"}}},
                             {"data", data}});
  const json::Object content{{"application/json", json::Object{{"schema", standard}}},
                             {"application/cloudevents+json", json::Object{{"schema", event}}}};
  return {{"operationId", operation_id(type)},
          {"tags", json::Array{"Webhooks"}},
          {"summary", "Tells of " + std::string(type)},
          {"description", "Sent to webhooks that ask for it, in the format that they ask for."},
          {"security", json::Array{}},
          {"parameters",
           json::Array{header("webhook-id", "The same for every attempt: what was seen can be left out"),
                       header("webhook-timestamp", "Seconds since 1970, of this attempt"),
                       header("webhook-signature",
                              "`v1,` and the base64 of HMAC-SHA256 over id.timestamp.body; several while a secret is "
                              "being rotated")}},
          {"requestBody", json::Object{{"required", true}, {"content", content}}},
          {"responses", json::Object{{"2XX", json::Object{{"description", "Taken. Everything else is tried again"}}}}}};
}

}  // namespace

json::Object describe_webhooks(json::Schemas& schemas) {
  json::Object all;
  for (const auto type : notify::event_types()) all[type] = json::Object{{"post", describe_message(type, schemas)}};
  all["webhook.ping"] = json::Object{{"post", describe_message("webhook.ping", schemas)}};
  return all;
}

}  // namespace slipway::api
