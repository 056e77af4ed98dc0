#include "base/json_schema.h"

namespace slipway::json {

namespace {

// Of arrays, limits of their elements stand at the elements.
Object& element_schema(Object& schema) {
  if (schema.contains("type") && schema.at("type").is_string() && schema.at("type").get_string() == "array")
    return schema.at("items").as_object();
  return schema;
}

void allow_null(Object& schema) {
  if (const auto* type = schema.if_contains("type"); type != nullptr && type->is_string()) {
    schema["type"] = Array{*type, "null"};
    if (auto* allowed = schema.if_contains("enum")) allowed->as_array().emplace_back(nullptr);
  } else if (const auto* reference = schema.if_contains("$ref")) {
    const Value to(*reference);
    schema.erase("$ref");
    schema["anyOf"] = Array{Object{{"$ref", to}}, Object{{"type", "null"}}};
  }
}

}  // namespace

Value Schemas::add(std::string name, Value schema) {
  components_[name] = {nullptr, std::move(schema)};
  return reference_to(name);
}

Object Schemas::components() const {
  Object all;
  for (const auto& [name, component] : components_) all[name] = component.schema;
  return all;
}

std::string component_name(std::string_view type_name) {
  if (const auto scope = type_name.rfind("::"); scope != std::string_view::npos) type_name.remove_prefix(scope + 2);
  constexpr std::string_view kSuffix = "View";
  if (type_name.size() > kSuffix.size() && type_name.ends_with(kSuffix)) type_name.remove_suffix(kSuffix.size());
  return std::string(type_name);
}

Value reference_to(const std::string& component) { return Object{{"$ref", "#/components/schemas/" + component}}; }

void apply(const Rule& rule, Object& schema) {
  Object& element = element_schema(schema);
  if (rule.minimum) element["minimum"] = *rule.minimum;
  if (rule.maximum) element["maximum"] = *rule.maximum;
  if (rule.min_length) element["minLength"] = *rule.min_length;
  if (rule.max_length) element["maxLength"] = *rule.max_length;
  if (!rule.pattern.empty()) element["pattern"] = rule.pattern;
  if (rule.max_items) {
    const bool is_array = &element != &schema;
    schema[is_array ? "maxItems" : "maxProperties"] = *rule.max_items;
  }
  if (!rule.description.empty()) schema["description"] = rule.description;
  if (!rule.example.empty()) schema["examples"] = Array{parse_value(rule.example, "example")};
  if (rule.nullable) allow_null(schema);
}

void detail::fail_name_taken(const std::string& name) {
  throw base::internal_error("two types are called " + name + " in the schema: rename one");
}

}  // namespace slipway::json
