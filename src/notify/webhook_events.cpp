#include "notify/webhook_events.h"

#include <algorithm>

namespace slipway::notify {
namespace {

std::optional<std::string> text_of(const json::Value& data, std::string_view name) {
  const auto* object = data.if_object();
  const auto* value = object != nullptr ? object->if_contains(name) : nullptr;
  if (value == nullptr || !value->is_string() || value->get_string().empty()) return std::nullopt;
  return std::string(value->get_string());
}

std::string_view family_of(std::string_view type) { return type.substr(0, type.find('.')); }

bool agrees(const std::optional<std::string>& wanted, const std::optional<std::string>& found) {
  return !wanted || wanted == found;
}

}  // namespace

Occurrence occurrence_of(const fleet::OwnedChange& owned) {
  const auto& change = owned.change;
  Occurrence occurrence{.place = change.seq,
                        .owner_id = owned.owner_id,
                        .type = change.type,
                        .at = change.at,
                        .data = change.data,
                        .subject = change.resource_id,
                        .resource_type = std::string(family_of(change.type)),
                        .resource_id = change.resource_id,
                        .run_type = {}};
  const auto family = occurrence.resource_type;
  if (family != "run" && family != "step" && family != "alert") return occurrence;
  if (family != "alert") occurrence.run_type = text_of(change.data, "type");
  occurrence.resource_type = text_of(change.data, "resourceType").value_or(family == "step" ? "run" : family);
  occurrence.resource_id = text_of(change.data, "resourceId").value_or(change.resource_id);
  return occurrence;
}

bool matches_type(std::string_view pattern, std::string_view type) {
  if (pattern == "*") return family_of(type) != "step";
  if (pattern.ends_with(".*")) return type.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == type;
}

bool wants(const fleet::Webhook& webhook, const Occurrence& occurrence) {
  const auto& definition = webhook.definition;
  if (occurrence.place <= webhook.since_seq) return false;
  if (definition.scope == fleet::WebhookScope::own && occurrence.owner_id != webhook.owner_id.str()) return false;
  return agrees(definition.resource_type, occurrence.resource_type) &&
         agrees(definition.resource_id, occurrence.resource_id) && agrees(definition.run_type, occurrence.run_type) &&
         std::ranges::any_of(definition.event_types,
                             [&](const auto& pattern) { return matches_type(pattern, occurrence.type); });
}

bool wants_steps(const fleet::WebhookDefinition& definition) {
  return std::ranges::any_of(definition.event_types, [](const auto& pattern) { return family_of(pattern) == "step"; });
}

const std::vector<std::string_view>& event_types() {
  static const std::vector<std::string_view> types{
      "workspace.created",
      "workspace.updated",
      "workspace.deleted",
      "run.pending",
      "run.started",
      "run.completed",
      "run.failed",
      "run.cancelled",
      "run.parked",
      "run.needs_attention",
      "step.completed",
      "step.failed",
      "webhook.disabled",
      "alert.raised",
      "alert.acknowledged",
      "alert.resolved",
      "workstation.created",
      "workstation.updated",
      "workstation.deleted",
      "template.created",
      "template.updated",
      "template.promoted",
      "template.deleted",
      "template.version.created",
      "template.version.ready",
      "template.version.failed",
      "template.version.cancelled",
      "job.queued",
      "job.started",
      "job.completed",
      "job.failed",
      "job.cancelled",
      "build.updated",
  };
  return types;
}

void validate_event_types(std::string_view field, const std::vector<std::string>& patterns) {
  if (patterns.empty()) throw base::validation_error(field, "must name at least one type; \"*\" means all but steps");
  if (patterns.size() > kEventTypesMax)
    throw base::validation_error(field, "names more than " + std::to_string(kEventTypesMax) + " types");
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const bool known = std::ranges::any_of(event_types(), [&](auto type) { return matches_type(patterns[i], type); });
    if (known) continue;
    json::Array allowed{"*"};
    for (const auto type : event_types()) {
      const std::string family = std::string(family_of(type)) + ".*";
      if (std::ranges::find(allowed, json::Value(family)) == allowed.end()) allowed.emplace_back(family);
      allowed.emplace_back(type);
    }
    throw base::validation_error(std::string(field) + "/" + std::to_string(i), "is no type that webhooks can hear of",
                                 std::move(allowed));
  }
}

}  // namespace slipway::notify
