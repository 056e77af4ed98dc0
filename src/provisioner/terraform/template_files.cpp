#include "provisioner/terraform/template_files.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "base/json.h"
#include "provisioner/terraform/hcl.h"

namespace slipway::provisioner::terraform {
namespace {

constexpr std::size_t kFileMaxBytes = 8 << 20;  // larger than any configuration that people write

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw hcl_error({.file = path.filename()}, "cannot be read");
  std::string text(limit + 1, '\0');
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(file.gcount()));
  if (text.size() > limit)
    throw hcl_error({.file = path.filename()}, "is larger than " + std::to_string(limit) + " bytes");
  return text;
}

bool is_json(std::string_view name) { return name.ends_with(".json"); }

// Terraform passes over what editors leave behind.
bool is_ignored(std::string_view name) {
  return name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
}
bool is_tofu(std::string_view name) { return name.ends_with(".tofu") || name.ends_with(".tofu.json"); }
bool is_configuration(std::string_view name, Dialect dialect) {
  if (is_ignored(name)) return false;
  return name.ends_with(".tf") || name.ends_with(".tf.json") || (dialect == Dialect::tofu && is_tofu(name));
}
// Of a configuration's name, without .tf, .tf.json, .tofu or .tofu.json.
std::string_view stem_of(std::string_view name) {
  if (is_json(name)) name.remove_suffix(5);
  return name.substr(0, name.rfind('.'));
}
bool is_override(std::string_view name) {
  const auto stem = stem_of(name);
  return stem == "override" || stem.ends_with("_override");
}
// x.tf where there is an x.tofu. https://opentofu.org/docs/language/files/
bool is_replaced(const std::filesystem::path& file, Dialect dialect) {
  const std::string name = file.filename();
  if (dialect != Dialect::tofu || is_tofu(name)) return false;
  const auto other = std::string(stem_of(name)) + (is_json(name) ? ".tofu.json" : ".tofu");
  return std::filesystem::is_regular_file(file.parent_path() / other);
}
bool is_preset(std::string_view name) {
  return !is_ignored(name) && (name == "terraform.tfvars" || name == "terraform.tfvars.json" ||
                               name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json"));
}

// What one declaration says; an override says only some of it.
struct Declaration {
  std::string name;
  HclPlace place;
  std::size_t last_line = 0;
  std::optional<std::string> type, description;
  std::optional<bool> sensitive;
  bool has_default = false;
  std::optional<std::string> default_json;
};

[[noreturn]] void wrong_argument(const HclPlace& place, const std::string& variable, std::string_view argument,
                                 std::string_view expected) {
  throw hcl_error(place, "variable '" + variable + "': " + std::string(argument) + " must be " + std::string(expected));
}

// `"string"` is how old templates write `string`.
std::string type_of(const HclAttribute& attribute) { return attribute.string.value_or(attribute.source); }

Declaration declaration_of(const HclBlock& block) {
  if (block.labels.size() != 1) throw hcl_error(block.place, "a variable has exactly one name");
  Declaration result{.name = block.labels.front(), .place = block.place, .last_line = block.last_line};
  if (const auto* type = block.attribute("type")) result.type = type_of(*type);
  if (const auto* description = block.attribute("description")) {
    if (!description->string) wrong_argument(description->place, result.name, "description", "a plain string");
    result.description = description->string;
  }
  if (const auto* sensitive = block.attribute("sensitive")) {
    if (sensitive->json != "true" && sensitive->json != "false")
      wrong_argument(sensitive->place, result.name, "sensitive", "true or false");
    result.sensitive = sensitive->json == "true";
  }
  if (const auto* value = block.attribute("default")) {
    result.has_default = true;
    result.default_json = value->json;
  }
  return result;
}

// ---- JSON syntax: a block is a member, its labels are members below it; several bodies may stand in an array.

Declaration declaration_of(const std::string& name, const json::Object& body, const HclPlace& place) {
  Declaration result{.name = name, .place = place, .last_line = place.line};
  const auto text = [&](std::string_view argument) -> std::optional<std::string> {
    const auto* value = body.if_contains(argument);
    if (!value) return std::nullopt;
    if (!value->is_string()) wrong_argument(place, name, argument, "a string");
    return std::string(value->get_string());
  };
  result.type = text("type");
  result.description = text("description");
  if (const auto* sensitive = body.if_contains("sensitive")) {
    if (!sensitive->is_bool()) wrong_argument(place, name, "sensitive", "true or false");
    result.sensitive = sensitive->get_bool();
  }
  if (const auto* value = body.if_contains("default")) {
    result.has_default = true;
    result.default_json = json::print_value(*value);
  }
  return result;
}

// Calls `take` with each object that stands at `value`: itself, or the elements of an array.
template <class Take>
void for_each_object(const json::Value& value, const HclPlace& place, Take take) {
  if (value.is_array()) {
    for (const auto& element : value.get_array()) for_each_object(element, place, take);
  } else if (value.is_object()) {
    take(value.get_object());
  } else {
    throw hcl_error(place, "expected an object");
  }
}

json::Value parse_json_file(const std::string& text, const HclPlace& place) {
  try {
    return json::parse_value(text, place.file);
  } catch (const base::Error& error) {
    throw base::Error(base::ErrorClass::user, "TEMPLATE_INVALID", error.message());
  }
}

struct FileFacts {
  std::vector<Declaration> variables;
  std::string backend;
};

FileFacts read_json(const std::string& text, const std::string& name) {
  const HclPlace place{.file = name};
  const auto root = parse_json_file(text, place);
  FileFacts facts;
  for_each_object(root, place, [&](const json::Object& file) {
    if (const auto* variables = file.if_contains("variable"))
      for_each_object(*variables, place, [&](const json::Object& named) {
        for (const auto& [variable, body] : named)
          for_each_object(body, place, [&](const json::Object& one) {
            facts.variables.push_back(declaration_of(std::string(variable), one, place));
          });
      });
    if (const auto* settings = file.if_contains("terraform"))
      for_each_object(*settings, place, [&](const json::Object& one) {
        if (one.contains("cloud")) facts.backend = "cloud";
        if (const auto* backend = one.if_contains("backend"))
          for_each_object(*backend, place, [&](const json::Object& kinds) {
            if (!kinds.empty()) facts.backend = std::string(kinds.begin()->key());
          });
      });
  });
  return facts;
}

FileFacts read_native(const std::string& text, const std::string& name) {
  FileFacts facts;
  for (const auto& block : parse_hcl(text, name).blocks) {
    if (block.type == "variable") facts.variables.push_back(declaration_of(block));
    if (block.type != "terraform") continue;
    for (const auto& setting : block.blocks) {
      if (setting.type == "cloud") facts.backend = "cloud";
      if (setting.type == "backend" && !setting.labels.empty()) facts.backend = setting.labels.front();
    }
  }
  return facts;
}

void merge(Declaration& into, Declaration&& from) {
  if (from.type) into.type = std::move(from.type);
  if (from.description) into.description = std::move(from.description);
  if (from.sensitive) into.sensitive = from.sensitive;
  if (!from.has_default) return;
  into.has_default = true;
  into.default_json = std::move(from.default_json);
}

DeclaredVariable as_variable(Declaration&& declaration) {
  if (declaration.default_json == "null") declaration.default_json.reset();
  return {.facts = {.name = std::move(declaration.name),
                    .type = std::move(declaration.type).value_or("any"),
                    .description = std::move(declaration.description).value_or(""),
                    .default_value = std::move(declaration.default_json),
                    .required = !declaration.has_default,
                    .sensitive = declaration.sensitive.value_or(false)},
          .place = std::move(declaration.place),
          .last_line = declaration.last_line};
}

class Collector {
 public:
  void add(const std::string& name, FileFacts facts) {
    if (!facts.backend.empty()) backend_ = facts.backend;
    for (auto& declaration : facts.variables) {
      const auto found = variables_.find(declaration.name);
      if (found == variables_.end()) {
        if (is_override(name)) throw hcl_error(declaration.place, "overrides a variable that nothing declares");
        variables_.emplace(declaration.name, std::move(declaration));
      } else if (is_override(name)) {
        merge(found->second, std::move(declaration));
      } else {
        throw hcl_error(declaration.place,
                        "the variable '" + declaration.name + "' is already declared at " + found->second.place.text());
      }
    }
  }

  TemplateFiles finish() {
    TemplateFiles result;
    for (auto& [name, declaration] : variables_) result.variables.push_back(as_variable(std::move(declaration)));
    result.backend = std::move(backend_);
    return result;
  }

 private:
  std::map<std::string, Declaration, std::less<>> variables_;
  std::string backend_;
};

void read_preset(const std::filesystem::path& path, std::set<std::string>& names) {
  const std::string name = path.filename();
  const auto text = read_file(path, kFileMaxBytes);
  if (!is_json(name)) {
    for (const auto& attribute : parse_hcl(text, name).attributes) names.insert(attribute.name);
    return;
  }
  const HclPlace place{.file = name};
  for_each_object(parse_json_file(text, place), place, [&](const json::Object& values) {
    for (const auto& [variable, value] : values) names.insert(std::string(variable));
  });
}

}  // namespace

const DeclaredVariable* TemplateFiles::variable(std::string_view name) const {
  const auto found = std::ranges::find(variables, name, [](const auto& v) -> const auto& { return v.facts.name; });
  return found == variables.end() ? nullptr : &*found;
}

TemplateFiles read_template_files(const std::filesystem::path& directory, Dialect dialect) {
  std::vector<std::filesystem::path> primary, overrides, presets;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file()) continue;
    if (is_preset(name)) presets.push_back(entry.path());
    if (is_configuration(name, dialect) && !is_replaced(entry.path(), dialect))
      (is_override(name) ? overrides : primary).push_back(entry.path());
  }
  if (primary.empty() && overrides.empty())
    throw base::Error(base::ErrorClass::user, "TEMPLATE_INVALID",
                      "the template has no *.tf file at its top: is the archive made of the folder's contents?");
  std::ranges::sort(primary);
  std::ranges::sort(overrides);
  Collector collector;
  for (const auto* files : {&primary, &overrides}) {
    for (const auto& path : *files) {
      const std::string name = path.filename();
      const auto text = read_file(path, kFileMaxBytes);
      collector.add(name, is_json(name) ? read_json(text, name) : read_native(text, name));
    }
  }
  auto result = collector.finish();
  for (const auto& path : presets) read_preset(path, result.preset);
  return result;
}

}  // namespace slipway::provisioner::terraform
