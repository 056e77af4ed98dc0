#include "fleet/template_values.h"

#include <algorithm>
#include <charconv>

namespace slipway::fleet {
namespace {

constexpr std::string_view kOurs = "slipway_";

base::Error problem_with(std::string_view code, std::string message, const std::vector<std::string>& names) {
  json::Array array(names.begin(), names.end());
  return base::Error(base::ErrorClass::user, std::string(code), std::move(message),
                     json::Object{{"names", std::move(array)}});
}

std::string enumerated(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text;
}

bool is_number(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_json(const std::string& text) {
  try {
    json::parse_value(text);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

// Types are written as in the template: what is neither of the three plain ones is a list, a map, an object …
bool fits(const std::string& type, const std::string& value) {
  if (type == "bool") return value == "true" || value == "false";
  if (type == "number") return is_number(value);
  if (type == "string" || type == "any" || type.empty()) return true;
  return is_json(value);
}

// As text: a string without its quotes. Null is no value.
std::optional<std::string> default_of(const TemplateVariable& variable) {
  if (!variable.default_value) return std::nullopt;
  const auto value = json::parse_value(*variable.default_value, variable.name);
  if (value.is_null()) return std::nullopt;
  return value.is_string() ? std::string(value.get_string()) : json::print_value(value);
}

void refuse_unknown(const std::vector<TemplateVariable>& variables, const std::map<std::string, std::string>& given) {
  std::vector<std::string> unknown;
  for (const auto& [name, unused] : given)
    if (std::ranges::find(variables, name, &TemplateVariable::name) == variables.end()) unknown.push_back(name);
  if (!unknown.empty())
    throw problem_with("UNKNOWN_TEMPLATE_VARIABLES", "the template has no variable " + enumerated(unknown), unknown);
}

}  // namespace

std::vector<TemplateVariable> variables_to_set(const std::vector<TemplateVariable>& declared,
                                               const std::vector<TemplateParameter>& parameters) {
  std::vector<TemplateVariable> variables;
  for (const auto& variable : declared)
    if (!variable.name.starts_with(kOurs) &&
        std::ranges::find(parameters, variable.name, &TemplateParameter::name) == parameters.end())
      variables.push_back(variable);
  return variables;
}

std::vector<NamedValue> values_of_variables(const std::vector<TemplateVariable>& variables,
                                            const std::map<std::string, std::string>& given) {
  refuse_unknown(variables, given);
  std::vector<NamedValue> values;
  std::vector<std::string> missing;
  for (const auto& variable : variables) {
    const auto found = given.find(variable.name);
    const auto value = found != given.end() ? std::optional(found->second) : default_of(variable);
    if (found != given.end() && !fits(variable.type, *value))
      throw problem_with("INVALID_TEMPLATE_VARIABLE",
                         "the value of variable '" + variable.name + "' is no " + variable.type, {variable.name});
    if (value)
      values.push_back({variable.name, *value, variable.sensitive});
    else if (variable.required)
      missing.push_back(variable.name);
  }
  if (!missing.empty())
    throw problem_with("REQUIRED_TEMPLATE_VARIABLES",
                       "the template needs values for " + enumerated(missing) + "; push it with them", missing);
  return values;
}

}  // namespace slipway::fleet
