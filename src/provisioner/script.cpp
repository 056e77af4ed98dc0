#include "provisioner/script.h"

#include <toml++/toml.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace slipway::provisioner {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

json::Value to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    json::Object object;
    for (const auto& [key, value] : *table) object[key.str()] = to_json(value);
    return object;
  }
  if (const auto* array = node.as_array()) {
    json::Array values;
    for (const auto& value : *array) values.push_back(to_json(value));
    return values;
  }
  if (const auto text = node.value_exact<std::string>()) return json::Value(std::string_view(*text));
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  throw script_invalid("script.toml line " + std::to_string(node.source().begin.line) +
                       ": must be a text, a number, true or false");
}

json::Value read_toml(const std::string& text) {
  try {
    return to_json(toml::parse(text));
  } catch (const toml::parse_error& error) {
    throw script_invalid("script.toml line " + std::to_string(error.source().begin.line) + ": " +
                         std::string(error.description()));
  }
}

}  // namespace

base::Error script_invalid(std::string reason) {
  return base::Error(base::ErrorClass::user, "SCRIPT_INVALID", std::move(reason));
}

Script read_script(const std::filesystem::path& directory) {
  const auto in_json = directory / "script.json", in_toml = directory / "script.toml";
  const bool is_json = std::filesystem::is_regular_file(in_json);
  if (!is_json && !std::filesystem::is_regular_file(in_toml))
    throw script_invalid("the template has neither a script.json nor a script.toml");
  const char* name = is_json ? "script.json" : "script.toml";
  try {
    const auto value = is_json ? json::parse_value(read_file(in_json), name) : read_toml(read_file(in_toml));
    return json::from_value<Script>(value);
  } catch (const base::Error& error) {
    if (error.code() == "SCRIPT_INVALID") throw;
    throw script_invalid(std::string(name) + ": " + error.message());
  }
}

ScriptValues::ScriptValues(const Script& script, const Plan& plan) {
  for (const auto& variable : script.variables.value_or(std::vector<ScriptVariable>()))
    if (variable.default_value) values_["variable." + variable.name] = *variable.default_value;
  for (const auto& variable : plan.variables) values_["variable." + variable.name] = variable.value;
  std::string missing;
  for (const auto& variable : script.variables.value_or(std::vector<ScriptVariable>()))
    if (!values_.contains("variable." + variable.name)) missing += (missing.empty() ? "" : ", ") + variable.name;
  if (!missing.empty())
    throw base::Error(base::ErrorClass::user, "REQUIRED_TEMPLATE_VARIABLES",
                      "the template needs values for these variables: " + missing);
  for (const auto& parameter : plan.parameters) values_["parameter." + parameter.name] = parameter.value;
  const auto& metadata = plan.metadata;
  values_["transition"] = boost::describe::enum_to_string(metadata.transition, "");
  values_["workspace.name"] = metadata.workspace_name;
  values_["workspace.id"] = metadata.workspace_id;
  values_["owner.name"] = metadata.owner_name;
  values_["owner.id"] = metadata.owner_id;
  values_["template.name"] = metadata.template_name;
  values_["build.id"] = metadata.build_id;
  values_["build.number"] = std::to_string(metadata.build_number);
}

const std::string& ScriptValues::find(const std::string& name) const {
  if (const auto found = values_.find(name); found != values_.end()) return found->second;
  if (name.starts_with("parameter."))
    throw base::Error(base::ErrorClass::user, "MISSING_TEMPLATE_PARAMETER",
                      "the template needs a value for its parameter '" + name.substr(10) + "'");
  throw script_invalid("${" + name + "} is nothing that a script may ask for");
}

std::string ScriptValues::expand(const std::string& text) const {
  std::string expanded;
  for (std::size_t at = 0; at < text.size();) {
    const auto dollar = text.find("${", at);
    if (dollar == text.npos) return expanded + text.substr(at);
    if (dollar > at && text[dollar - 1] == '$') {
      expanded += text.substr(at, dollar - 1 - at) + "${";
      at = dollar + 2;
      continue;
    }
    const auto end = text.find('}', dollar);
    if (end == text.npos) throw script_invalid("'" + text + "': a '${' without its '}'");
    expanded += text.substr(at, dollar - at) + find(text.substr(dollar + 2, end - dollar - 2));
    at = end + 1;
  }
  return expanded;
}

std::map<std::string, std::string> ScriptValues::expand(const std::map<std::string, std::string>& texts) const {
  std::map<std::string, std::string> expanded;
  for (const auto& [name, text] : texts) expanded.emplace(name, expand(text));
  return expanded;
}

std::int64_t ScriptValues::number(const json::Value& value, std::int64_t highest) const {
  const std::string text = value.is_string() ? expand(std::string(value.get_string())) : json::print_value(value);
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0 || number > highest)
    throw script_invalid("'" + text + "' is not a whole number from 0 to " + std::to_string(highest));
  return number;
}

}  // namespace slipway::provisioner
