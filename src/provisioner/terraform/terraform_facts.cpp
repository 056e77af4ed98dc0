#include "provisioner/terraform/terraform_facts.h"

#include <algorithm>
#include <array>

namespace slipway::provisioner::terraform {
namespace {

using fleet::Resource;
using fleet::ResourceAction;

constexpr std::size_t kDetailMaxBytes = 200;  // for people, on one line

// What tells a person which thing it is. Everything else may be anything.
constexpr std::array<std::string_view, 16> kDetails = {
    "id",   "name",         "hostname", "region",       "zone",       "location",  "availability_zone", "instance_type",
    "size", "machine_type", "image",    "disk_size_gb", "private_ip", "public_ip", "ip_address",        "status"};

const json::Value* find(const json::Object& object, std::string_view name) { return object.if_contains(name); }

const json::Object* object_of(const json::Object& object, std::string_view name) {
  const auto* value = find(object, name);
  return value ? value->if_object() : nullptr;
}

const json::Array* array_of(const json::Object& object, std::string_view name) {
  const auto* value = find(object, name);
  return value ? value->if_array() : nullptr;
}

std::string text_of(const json::Object& object, std::string_view name) {
  const auto* value = find(object, name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string as_text(const json::Value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::print_value(value);
}

// `sensitive` mirrors the values: true for a whole that is, or an object with the members that are.
std::map<std::string, std::string> details_of(const json::Object* values, const json::Value* sensitive) {
  std::map<std::string, std::string> details;
  if (!values || (sensitive && sensitive->is_bool() && sensitive->get_bool())) return details;
  const auto* marks = sensitive ? sensitive->if_object() : nullptr;
  for (const auto name : kDetails) {
    const auto* value = find(*values, name);
    if (!value || value->is_null() || value->is_structured() || (marks && marks->contains(name))) continue;
    auto text = as_text(*value);
    if (!text.empty() && text.size() <= kDetailMaxBytes) details.emplace(name, std::move(text));
  }
  return details;
}

ResourceAction action_of(const json::Array* actions) {
  const auto has = [&](std::string_view action) {
    return actions && std::ranges::any_of(*actions, [&](const json::Value& value) {
             return value.is_string() && std::string_view(value.get_string()) == action;
           });
  };
  if (has("create") && has("delete")) return ResourceAction::replace;
  if (has("create")) return ResourceAction::create;
  if (has("delete")) return ResourceAction::destroy;
  if (has("update")) return ResourceAction::update;
  if (has("read")) return ResourceAction::read;
  return ResourceAction::none;
}

json::Object parse_object(std::string_view text, std::string_view what) {
  auto value = json::parse_value(text, what);
  if (!value.is_object()) throw base::internal_error("Terraform's " + std::string(what) + " is no JSON object");
  return std::move(value.get_object());
}

// A replaced object that could not be destroyed yet has the address of its successor.
std::string address_of(const json::Object& source) {
  auto address = text_of(source, "address");
  const auto deposed = text_of(source, "deposed");
  if (deposed.empty()) return address;
  return address + " (deposed " + deposed + ")";
}

Resource planned(const json::Object& source) {
  Resource resource{.address = address_of(source), .type = text_of(source, "type"), .name = text_of(source, "name")};
  const auto* change = object_of(source, "change");
  if (!change) return resource;
  resource.action = action_of(array_of(*change, "actions"));
  const bool goes = resource.action == ResourceAction::destroy;
  resource.details = details_of(object_of(*change, goes ? "before" : "after"),
                                find(*change, goes ? "before_sensitive" : "after_sensitive"));
  return resource;
}

void collect(const json::Object& module, std::vector<Resource>& resources) {
  if (const auto* list = array_of(module, "resources")) {
    for (const auto& element : *list) {
      const auto* source = element.if_object();
      if (!source || text_of(*source, "mode") != "managed") continue;
      resources.push_back({.address = address_of(*source),
                           .type = text_of(*source, "type"),
                           .name = text_of(*source, "name"),
                           .details = details_of(object_of(*source, "values"), find(*source, "sensitive_values"))});
    }
  }
  if (const auto* children = array_of(module, "child_modules"))
    for (const auto& child : *children)
      if (const auto* object = child.if_object()) collect(*object, resources);
}

}  // namespace

std::vector<Resource> resources_of_plan(std::string_view plan) {
  std::vector<Resource> resources;
  const auto root = parse_object(plan, "plan");
  if (const auto* changes = array_of(root, "resource_changes")) {
    for (const auto& change : *changes) {
      const auto* source = change.if_object();
      if (source && text_of(*source, "mode") == "managed") resources.push_back(planned(*source));
    }
  }
  return resources;
}

StateFacts facts_of_state(std::string_view state) {
  StateFacts facts;
  const auto root = parse_object(state, "state");
  const auto* values = object_of(root, "values");
  if (!values) return facts;
  if (const auto* module = object_of(*values, "root_module")) collect(*module, facts.resources);
  const auto* outputs = object_of(*values, "outputs");
  if (!outputs) return facts;
  for (const auto& [name, output] : *outputs) {
    const auto* source = output.if_object();
    const auto* sensitive = source ? find(*source, "sensitive") : nullptr;
    const auto* value = source ? find(*source, "value") : nullptr;
    if (value && !value->is_null() && !(sensitive && sensitive->is_bool() && sensitive->get_bool()))
      facts.outputs.emplace(name, as_text(*value));
  }
  return facts;
}

bool is_empty_state(std::string_view state_file) {
  if (state_file.find_first_not_of(" \t\r\n") == state_file.npos) return true;
  try {
    const auto root = parse_object(state_file, "state");
    const auto* resources = array_of(root, "resources");
    return resources && resources->empty();
  } catch (const base::Error&) {
    return false;
  }
}

}  // namespace slipway::provisioner::terraform
