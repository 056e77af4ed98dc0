#include "fleet/parameter_check.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "fleet/parameter_pattern.h"

namespace slipway::fleet {
namespace {

constexpr std::size_t kValueMax = 64 * 1024;   // bytes: a form's field, not a file
constexpr std::size_t kMatchedMax = 4 * 1024;  // bytes: a name or an address, and the time of a match grows with it
constexpr std::size_t kListMax = 1'000;        // elements

std::string field_of(const TemplateParameter& parameter) { return "parameters/" + parameter.name; }

[[noreturn]] void refuse(const TemplateParameter& parameter, std::string reason, json::Value allowed = nullptr) {
  throw base::validation_error(field_of(parameter), std::move(reason), std::move(allowed));
}

// A sensitive value is not quoted.
std::string quoted(const TemplateParameter& parameter, const std::string& value) {
  return parameter.sensitive ? "the value" : "'" + value + "'";
}

std::optional<double> number_of(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

// 10, not 10.000000
std::string shown(double number) {
  return json::print_value(number == std::floor(number) && std::abs(number) < 1e15 ? json::Value(std::int64_t(number))
                                                                                   : json::Value(number));
}

std::vector<std::string> elements_of(const TemplateParameter& parameter, const std::string& value) {
  std::vector<std::string> elements;
  try {
    elements = json::from_value<std::vector<std::string>>(json::parse_value(value, parameter.name));
  } catch (const base::Error&) {
    refuse(parameter, R"(must be a list of strings, as JSON: ["a","b"])");
  }
  if (elements.size() > kListMax) refuse(parameter, "has more than " + std::to_string(kListMax) + " elements");
  return elements;
}

bool has_option(const TemplateParameter& parameter, const std::string& value) {
  return std::ranges::find(parameter.options, value, &ParameterOption::value) != parameter.options.end();
}

void check_option(const TemplateParameter& parameter, const std::string& value) {
  if (parameter.options.empty() || has_option(parameter, value)) return;
  json::Array allowed;
  for (const auto& option : parameter.options) allowed.emplace_back(option.value);
  refuse(parameter, quoted(parameter, value) + " is none of the options", std::move(allowed));
}

void check_number(const TemplateParameter& parameter, const std::string& value) {
  const auto number = number_of(value);
  if (!number) refuse(parameter, quoted(parameter, value) + " is not a number");
  if (parameter.minimum && *number < *parameter.minimum)
    refuse(parameter, "must be at least " + shown(*parameter.minimum));
  if (parameter.maximum && *number > *parameter.maximum)
    refuse(parameter, "must be at most " + shown(*parameter.maximum));
}

std::optional<ParameterPattern> pattern_of(const TemplateParameter& parameter) {
  if (!parameter.pattern) return std::nullopt;
  try {
    return std::optional<ParameterPattern>(std::in_place, *parameter.pattern);
  } catch (const base::Error& error) {
    throw base::Error(base::ErrorClass::user, "INVALID_TEMPLATE",
                      "the template's pattern for '" + parameter.name + "' cannot be matched: " + error.message());
  }
}

void check_pattern(const TemplateParameter& parameter, const std::optional<ParameterPattern>& pattern,
                   const std::string& value) {
  if (!pattern) return;
  if (value.size() > kMatchedMax) refuse(parameter, "is longer than " + std::to_string(kMatchedMax) + " bytes");
  if (!pattern->fits(value))
    refuse(parameter, parameter.pattern_error.value_or("does not fit the pattern " + *parameter.pattern));
}

}  // namespace

void check_value(const TemplateParameter& parameter, const std::string& value) {
  if (value.size() > kValueMax) refuse(parameter, "is longer than " + std::to_string(kValueMax) + " bytes");
  if (value.find('\0') != std::string::npos) refuse(parameter, "has a zero byte");
  switch (parameter.type) {
    case ParameterType::boolean:
      if (value != "true" && value != "false") refuse(parameter, "must be true or false", json::Array{"true", "false"});
      break;
    case ParameterType::number:
      check_number(parameter, value);
      check_option(parameter, value);
      break;
    case ParameterType::string:
      check_option(parameter, value);
      check_pattern(parameter, pattern_of(parameter), value);
      break;
    case ParameterType::list: {
      const auto pattern = pattern_of(parameter);
      for (const auto& element : elements_of(parameter, value)) {
        check_option(parameter, element);
        check_pattern(parameter, pattern, element);
      }
    }
  }
}

namespace {

void refuse_unknown(const std::vector<TemplateParameter>& parameters, const std::map<std::string, std::string>& given) {
  for (const auto& [name, unused] : given) {
    if (std::ranges::find(parameters, name, &TemplateParameter::name) != parameters.end()) continue;
    json::Array allowed;
    for (const auto& parameter : parameters) allowed.emplace_back(parameter.name);
    throw base::validation_error("parameters/" + name, "is no parameter of the template", std::move(allowed));
  }
}

const std::string* value_of(const std::vector<NamedValue>& values, const std::string& name) {
  const auto found = std::ranges::find(values, name, &NamedValue::name);
  return found == values.end() ? nullptr : &found->value;
}

std::optional<std::string> chosen(const TemplateParameter& parameter, const std::map<std::string, std::string>& given,
                                  const std::vector<NamedValue>& previous) {
  const auto* before = parameter.ephemeral ? nullptr : value_of(previous, parameter.name);
  const auto now = given.find(parameter.name);
  if (now != given.end()) {
    if (!parameter.is_mutable && before != nullptr && *before != now->second)
      refuse(parameter, "cannot be changed once the workspace is there");
    return now->second;
  }
  return before != nullptr ? std::optional(*before) : parameter.default_value;
}

// For a parameter that nobody has given a value and that has to have one.
std::string any_value_of(const TemplateParameter& parameter) {
  switch (parameter.type) {
    case ParameterType::boolean:
      return "false";
    case ParameterType::list:
      return "[]";
    case ParameterType::number:
      if (!parameter.options.empty()) return parameter.options.front().value;
      if (parameter.minimum && *parameter.minimum > 0) return shown(*parameter.minimum);
      return parameter.maximum && *parameter.maximum < 0 ? shown(*parameter.maximum) : "0";
    case ParameterType::string:
      break;
  }
  return parameter.options.empty() ? "" : parameter.options.front().value;
}

[[noreturn]] void refuse_missing(const std::vector<std::string>& missing) {
  json::Array names;
  std::string text;
  for (const auto& name : missing) {
    text += (text.empty() ? "'" : ", '") + name + "'";
    names.emplace_back(name);
  }
  throw base::Error(base::ErrorClass::user, "MISSING_TEMPLATE_PARAMETER",
                    "the template needs a value for " + text + ", which has no default",
                    json::Object{{"field", "parameters/" + missing.front()}, {"names", std::move(names)}});
}

}  // namespace

std::vector<NamedValue> resolve_parameters(const std::vector<TemplateParameter>& parameters,
                                           const std::map<std::string, std::string>& given,
                                           const std::vector<NamedValue>& previous) {
  refuse_unknown(parameters, given);
  std::vector<NamedValue> values;
  std::vector<std::string> missing;
  for (const auto& parameter : parameters) {
    const auto value = chosen(parameter, given, previous);
    if (value) {
      check_value(parameter, *value);
      values.push_back({parameter.name, *value, parameter.sensitive});
    } else if (parameter.required) {
      missing.push_back(parameter.name);
    }
  }
  if (!missing.empty()) refuse_missing(missing);
  return values;
}

std::vector<NamedValue> carried_parameters(const std::vector<TemplateParameter>& parameters,
                                           const std::vector<NamedValue>& remembered,
                                           const std::vector<NamedValue>& last_start) {
  auto values = remembered;
  for (const auto& parameter : parameters) {
    if (value_of(remembered, parameter.name) != nullptr) continue;
    if (const auto* used = value_of(last_start, parameter.name))
      values.push_back({parameter.name, *used, parameter.sensitive});
    else if (parameter.default_value)
      values.push_back({parameter.name, *parameter.default_value, parameter.sensitive});
    else if (parameter.required)
      values.push_back({parameter.name, any_value_of(parameter), parameter.sensitive});
  }
  return values;
}

std::vector<NamedValue> remembered_parameters(const std::vector<TemplateParameter>& parameters,
                                              const std::vector<NamedValue>& values) {
  std::vector<NamedValue> remembered;
  for (const auto& value : values) {
    const auto parameter = std::ranges::find(parameters, value.name, &TemplateParameter::name);
    if (parameter != parameters.end() && !parameter->ephemeral) remembered.push_back(value);
  }
  return remembered;
}

}  // namespace slipway::fleet
