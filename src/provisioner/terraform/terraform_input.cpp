#include "provisioner/terraform/terraform_input.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/json.h"

namespace slipway::provisioner::terraform {
namespace {

// These would make Terraform keep its things elsewhere, ask questions, or say something else than we read.
constexpr std::array<std::string_view, 8> kDenied = {
    "TF_DATA_DIR",      "TF_WORKSPACE",          "TF_INPUT",          "TF_LOG_PATH",
    "TF_IN_AUTOMATION", "TF_REATTACH_PROVIDERS", "TF_CLI_CONFIG_DIR", "TF_STATE_PERSIST_INTERVAL"};
constexpr std::array<std::string_view, 4> kDeniedPrefixes = {"SLIPWAY_", "TF_CLI_ARGS", "TF_HTTP_", "TF_VAR_slipway_"};

bool is_denied(std::string_view name) {
  return std::ranges::find(kDenied, name) != kDenied.end() ||
         std::ranges::any_of(kDeniedPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool is_simple(std::string_view type) { return type == "string" || type == "number" || type == "bool"; }

base::Error invalid_value(const NamedValue& value, const std::string& type) {
  return base::Error(base::ErrorClass::user, "VARIABLE_INVALID",
                     "the value of '" + value.name + "' is to be " + type + ", written as JSON");
}

// Strings are taken as they are; Terraform itself makes numbers and booleans of them.
std::string value_json(const NamedValue& value, const std::string& type) {
  const auto as_string = [&] { return json::print_value(json::to_value(value.value)); };
  if (is_simple(type)) return as_string();
  const std::size_t first = value.value.find_first_not_of(" \t\r\n");
  const bool is_structured = first != value.value.npos && (value.value[first] == '[' || value.value[first] == '{');
  if (type == "any" && !is_structured) return as_string();
  try {
    json::parse_value(value.value, value.name);
  } catch (const base::Error&) {
    if (type == "any") return as_string();
    throw invalid_value(value, type);
  }
  return value.value;
}

}  // namespace

Environment host_environment() {
  Environment result;
  for (char** entry = ::environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != text.npos) result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

Environment terraform_environment(const Environment& host, const Config& config) {
  Environment result;
  for (const auto& [name, value] : host)
    if (!is_denied(name)) result.emplace(name, value);
  result["TF_IN_AUTOMATION"] = "1";
  result["TF_INPUT"] = "0";
  result["CHECKPOINT_DISABLE"] = "1";
  // One that is named but not there would be complained about by every command.
  if (const auto file = result.find("TF_CLI_CONFIG_FILE");
      file == result.end() ? !result.contains("HOME") : !std::filesystem::exists(file->second))
    result["TF_CLI_CONFIG_FILE"] = "/dev/null";
  if (!config.cache_directory.empty())
    result.try_emplace("TF_PLUGIN_CACHE_DIR", config.cache_directory + "/terraform-plugins");
  // Templates seldom come with a lock file. Without this, Terraform uses its cache only for what is locked, and puts
  // all else there anew: below the feet of other builds.
  if (result.contains("TF_PLUGIN_CACHE_DIR"))
    result.try_emplace("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "true");
  if (!config.trace.empty()) result["TRACEPARENT"] = config.trace.substr(0, config.trace.find(' '));
  return result;
}

void add_metadata(Environment& environment, const fleet::JobMetadata& metadata) {
  const bool starts = metadata.transition == fleet::Transition::start;
  const std::pair<std::string_view, std::string> values[] = {
      {"transition", boost::describe::enum_to_string(metadata.transition, "")},
      {"start_count", starts ? "1" : "0"},
      {"hub_url", metadata.hub_url},
      {"workspace_id", metadata.workspace_id},
      {"workspace_name", metadata.workspace_name},
      {"owner_id", metadata.owner_id},
      {"owner_name", metadata.owner_name},
      {"template_name", metadata.template_name},
      {"template_version", metadata.template_version},
      {"build_id", metadata.build_id},
      {"build_number", std::to_string(metadata.build_number)},
      {"agent_token", metadata.agent_token},
  };
  for (const auto& [name, value] : values) environment["TF_VAR_slipway_" + std::string(name)] = value;
}

std::vector<std::string> host_settings(const Environment& host) {
  std::vector<std::string> names;
  for (const auto& [name, value] : host)
    if (name.starts_with("TF_") && !is_denied(name)) names.push_back(name);
  return names;
}

std::string variables_file(const TemplateFiles& files, const Plan& plan) {
  std::map<std::string, std::string> values;
  for (const auto* given : {&plan.variables, &plan.parameters}) {
    for (const auto& value : *given) {
      const auto* declared = files.variable(value.name);
      if (declared && !value.name.starts_with(kReservedPrefix))
        values[value.name] = value_json(value, declared->facts.type);
    }
  }
  std::string text = "{";
  for (const auto& [name, value] : values) {
    if (text.size() > 1) text += ',';
    text += json::print_value(json::to_value(name)) + ':' + value;
  }
  return text + "}\n";
}

void check_required(const TemplateFiles& files, const Plan& plan, const Environment& environment,
                    const std::set<std::string>& parameters) {
  const auto is_given = [&](const std::string& name) {
    const auto has = [&](const std::vector<NamedValue>& values) {
      return std::ranges::find(values, name, &NamedValue::name) != values.end();
    };
    return has(plan.variables) || has(plan.parameters) || files.preset.contains(name) ||
           environment.contains("TF_VAR_" + name);
  };
  std::string variables, missing_parameters;
  for (const auto& variable : files.variables) {
    if (!variable.facts.required || is_given(variable.facts.name)) continue;
    auto& names = parameters.contains(variable.facts.name) ? missing_parameters : variables;
    names += (names.empty() ? "" : ", ") + variable.facts.name;
  }
  if (!missing_parameters.empty())
    throw base::Error(base::ErrorClass::user, "MISSING_TEMPLATE_PARAMETER",
                      "parameters without a value: " + missing_parameters);
  if (!variables.empty())
    throw base::Error(base::ErrorClass::user, "REQUIRED_TEMPLATE_VARIABLES",
                      "variables of the template without a value: " + variables);
}

}  // namespace slipway::provisioner::terraform
