#include "runner/placeholder_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace slipway::runner {

namespace {

std::string zero_within(const fleet::TemplateParameter& parameter) {
  double value = 0;
  if (parameter.maximum) value = std::min(value, *parameter.maximum);
  if (parameter.minimum) value = std::max(value, *parameter.minimum);
  return value == std::floor(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::string placeholder(const fleet::TemplateParameter& parameter) {
  using enum fleet::ParameterType;
  if (parameter.default_value) return *parameter.default_value;
  if (parameter.type == list)
    return parameter.options.empty() ? "[]" : json::print_value(json::Array{parameter.options.front().value});
  if (!parameter.options.empty()) return parameter.options.front().value;
  if (parameter.type == number) return zero_within(parameter);
  return parameter.type == boolean ? "false" : "";
}

// Looks like the ids of workspaces: a UUID, version 4.
std::string random_uuid(base::Random& random) {
  const auto a = random.next(), b = random.next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xFFFF, a & 0xFFF,
                     0x8000 | ((b >> 48) & 0x3FFF), b & 0xFFFF'FFFF'FFFF);
}

void fill(std::string& text, std::string value) {
  if (text.empty()) text = std::move(value);
}

}  // namespace

std::vector<fleet::NamedValue> placeholder_parameters(const std::vector<fleet::TemplateParameter>& parameters) {
  std::vector<fleet::NamedValue> values;
  for (const auto& parameter : parameters)
    values.push_back({parameter.name, placeholder(parameter), parameter.sensitive});
  return values;
}

fleet::JobMetadata placeholder_metadata(fleet::JobMetadata metadata, const std::string& requested_by,
                                        base::Random& random) {
  fill(metadata.workspace_id, random_uuid(random));
  fill(metadata.workspace_name, "dryrun");
  fill(metadata.owner_id, "usr_" + random_uuid(random));
  fill(metadata.owner_name, requested_by.empty() ? "dryrunner" : requested_by);
  fill(metadata.template_name, "dryrun");
  fill(metadata.template_version, "dryrun");
  fill(metadata.build_id, "bld_" + random_uuid(random));
  return metadata;
}

}  // namespace slipway::runner
