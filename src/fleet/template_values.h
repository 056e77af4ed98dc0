#pragma once
// The values of a template's variables: what was pushed, against what the template declares. Plain functions.

#include <map>
#include <string>
#include <vector>

#include "fleet/template_parts.h"

namespace slipway::fleet {

// Without those that nobody sets at a push: variables that are named like a parameter, and the hub's own (slipway_*).
std::vector<TemplateVariable> variables_to_set(const std::vector<TemplateVariable>& declared,
                                               const std::vector<TemplateParameter>& parameters);

// Given, or by default; those without either are left out. Throws as keep_parsed (template.h).
std::vector<NamedValue> values_of_variables(const std::vector<TemplateVariable>& variables,
                                            const std::map<std::string, std::string>& given);

}  // namespace slipway::fleet
