#include "provisioner/manifest.h"

#include <fnmatch.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "fleet/parameter_check.h"
#include "fleet/parameter_pattern.h"
#include "provisioner/log_text.h"

namespace slipway::provisioner {
namespace {

constexpr std::size_t kManifestMax = 1 << 20;
constexpr std::size_t kParametersMax = 200;  // a form that people fill in
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kPatternMax = 1000;

[[noreturn]] void fail(const toml::source_region& at, const std::string& reason) {
  throw base::Error(base::ErrorClass::user, "TEMPLATE_INVALID",
                    std::string(kManifestName) + " line " + std::to_string(at.begin.line) + ": " + reason);
}

// One table of the file: each key is taken by name, and what was not taken is a mistake.
class Table {
 public:
  Table(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  const toml::node* take(const char* key) {
    known_.insert(key);
    return table_.get(key);
  }
  template <class T>
  std::optional<T> value(const char* key, const char* expected) {
    const auto* node = take(key);
    if (node == nullptr) return std::nullopt;
    if (auto value = node->value_exact<T>()) return value;
    if constexpr (std::is_same_v<T, double>)
      if (const auto whole = node->value_exact<std::int64_t>()) return double(*whole);
    fail(node->source(), named(key) + " must be " + expected);
  }
  std::string text(const char* key) { return value<std::string>(key, "a text").value_or(""); }
  std::string required_text(const char* key) {
    auto found = value<std::string>(key, "a text");
    if (!found || found->empty()) fail(table_.source(), named(key) + " is required");
    return *found;
  }
  bool flag(const char* key, bool usual) { return value<bool>(key, "true or false").value_or(usual); }
  // The tables of an array of tables.
  std::vector<const toml::table*> tables(const char* key) {
    const auto* node = take(key);
    if (node == nullptr) return {};
    std::vector<const toml::table*> found;
    if (const auto* array = node->as_array())
      for (const auto& element : *array)
        if (element.is_table()) found.push_back(element.as_table());
    if (!node->is_array() || found.size() != node->as_array()->size())
      fail(node->source(), named(key) + " must be a list of tables");
    return found;
  }
  void refuse_the_rest() const {
    for (const auto& [key, node] : table_) {
      if (known_.contains(std::string(key.str()))) continue;
      std::string names;
      for (const auto& name : known_) names += (names.empty() ? "" : ", ") + name;
      fail(key.source(), "unknown key " + named(key.str()) + "; known here: " + names);
    }
  }
  std::string named(std::string_view key) const { return "'" + std::string(key) + "'" + where_; }
  const toml::source_region& source() const { return table_.source(); }

 private:
  const toml::table& table_;
  const std::string where_;  // " of parameter 'region'"
  std::set<std::string> known_;
};

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= kNameMax && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

// A value as parameters have it: text, and lists as JSON.
std::string value_text(const toml::node& node, const std::string& name) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto whole = node.value_exact<std::int64_t>()) return std::to_string(*whole);
  if (const auto number = node.value_exact<double>()) return json::print_value(*number);
  if (const auto* array = node.as_array()) {
    json::Array values;
    for (const auto& element : *array) {
      const auto text = element.value_exact<std::string>();
      if (!text) fail(element.source(), name + " must be a list of texts");
      values.emplace_back(*text);
    }
    return json::print_value(values);
  }
  fail(node.source(), name + " must be a text, a number, true, false or a list of texts");
}

fleet::ParameterType read_type(Table& table) {
  const std::string type = table.text("type");
  if (type.empty() || type == "string") return fleet::ParameterType::string;
  if (type == "number") return fleet::ParameterType::number;
  if (type == "bool" || type == "boolean") return fleet::ParameterType::boolean;
  if (type == "list" || type == "list(string)") return fleet::ParameterType::list;
  fail(table.take("type")->source(), table.named("type") + " must be string, number, bool or list");
}

// A default that no user could have given would fail the first build of everyone who leaves it.
void check_default(const fleet::TemplateParameter& parameter, const toml::node& node, const std::string& name) {
  try {
    fleet::check_value(parameter, *parameter.default_value);
  } catch (const base::Error& error) {
    fail(node.source(), name + ": " + error.message());
  }
}

// Only that it is one. Values are matched where users give them.
void check_pattern(Table& table, const std::string& pattern) {
  const auto refuse = [&](const std::string& why) {
    fail(table.take("pattern")->source(), table.named("pattern") + why);
  };
  if (pattern.size() > kPatternMax) refuse(" is longer than 1000 characters");
  try {
    const fleet::ParameterPattern compiled(pattern);
  } catch (const base::Error& error) {
    refuse(" cannot be matched, in RE2's syntax: " + error.message());
  }
}

fleet::ParameterOption read_option(const toml::table& source, const std::string& parameter) {
  Table table(source, " of an option of parameter '" + parameter + "'");
  const auto* value = table.take("value");
  if (value == nullptr) fail(table.source(), table.named("value") + " is required");
  fleet::ParameterOption option{.value = value_text(*value, table.named("value"))};
  option.name = table.text("name");
  if (option.name.empty()) option.name = option.value;
  option.description = table.text("description");
  table.refuse_the_rest();
  return option;
}

void read_bounds(Table& table, fleet::TemplateParameter& parameter) {
  parameter.minimum = table.value<double>("minimum", "a number");
  parameter.maximum = table.value<double>("maximum", "a number");
  if ((parameter.minimum || parameter.maximum) && parameter.type != fleet::ParameterType::number)
    fail(table.source(), table.named("minimum") + " and 'maximum' are for numbers");
  if (parameter.minimum && parameter.maximum && *parameter.minimum > *parameter.maximum)
    fail(table.source(), table.named("minimum") + " is greater than 'maximum'");
  parameter.pattern = table.value<std::string>("pattern", "a regular expression");
  parameter.pattern_error = table.value<std::string>("pattern_error", "a text");
  if (!parameter.pattern) return;
  if (parameter.type != fleet::ParameterType::string) fail(table.source(), table.named("pattern") + " is for texts");
  check_pattern(table, *parameter.pattern);
}

fleet::TemplateParameter read_parameter(const toml::table& source) {
  const auto* given = source.get("name");
  const std::string name = given == nullptr ? "" : given->value_or(std::string());
  Table table(source, name.empty() ? " of a parameter" : " of parameter '" + name + "'");
  fleet::TemplateParameter parameter{.name = table.required_text("name")};
  if (!is_name(parameter.name))
    fail(given->source(),
         "'" + name + "' is no name for a parameter: letters, digits, _ and -, at most " + std::to_string(kNameMax));
  parameter.display_name = table.text("display_name");
  parameter.description = table.text("description");
  parameter.type = read_type(table);
  parameter.is_mutable = table.flag("mutable", true);
  parameter.ephemeral = table.flag("ephemeral", false);
  parameter.sensitive = table.flag("sensitive", false);
  for (const auto* option : table.tables("options")) parameter.options.push_back(read_option(*option, name));
  read_bounds(table, parameter);
  if (const auto* usual = table.take("default")) {
    parameter.default_value = value_text(*usual, table.named("default"));
    check_default(parameter, *usual, table.named("default"));
  }
  parameter.required = table.flag("required", !parameter.default_value);
  if (parameter.required && parameter.default_value)
    fail(table.source(), table.named("required") + " has a default: nobody would be asked");
  if (parameter.ephemeral && !parameter.is_mutable)
    fail(table.source(), table.named("ephemeral") + " cannot be: it is not mutable");
  table.refuse_the_rest();
  return parameter;
}

DailyCost read_cost(const toml::table& source) {
  Table table(source, " of a cost");
  DailyCost cost{.resource = table.required_text("resource")};
  const auto daily = table.value<std::int64_t>("daily", "a whole number of credits");
  if (!daily || *daily < 0 || *daily > 1'000'000'000)
    fail(table.source(), table.named("daily") + " is required: from 0 to a billion credits");
  cost.daily = *daily;
  table.refuse_the_rest();
  return cost;
}

std::map<std::string, std::string> read_tags(Table& top) {
  const auto* node = top.take("tags");
  if (node == nullptr) return {};
  if (!node->is_table()) fail(node->source(), "'tags' must be a table");
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : *node->as_table()) {
    const auto text = value.value_exact<std::string>();
    if (!text) fail(value.source(), "tag '" + std::string(key.str()) + "' must be a text");
    tags.emplace(key.str(), *text);
  }
  return tags;
}

bool fits(const std::string& glob, const std::string& text) { return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0; }

std::string read_whole(const std::filesystem::path& file, std::size_t limit) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(limit, '\0');
  stream.read(text.data(), std::streamsize(limit));
  text.resize(std::size_t(stream.gcount()));
  return text;
}

bool is_plain_file(const std::filesystem::path& file) {
  std::error_code none;
  return std::filesystem::is_regular_file(std::filesystem::symlink_status(file, none));
}

// Whatever encoding its author's editor has: what is shown is UTF-8.
std::string clean_text(std::string_view text) {
  std::string clean;
  for (const auto& line : clean_lines(text)) clean += line + '\n';
  if (!text.ends_with('\n') && !clean.empty()) clean.pop_back();
  return clean;
}

// Cut where a character begins.
void cut_utf8(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
}

}  // namespace

std::optional<std::int64_t> Manifest::cost_of(const fleet::Resource& resource) const {
  using enum fleet::ResourceAction;
  const auto cost = std::ranges::find_if(
      costs, [&](const DailyCost& c) { return fits(c.resource, resource.address) || fits(c.resource, resource.type); });
  if (cost == costs.end()) return std::nullopt;
  return resource.action == destroy || resource.action == read ? 0 : cost->daily;
}

Manifest parse_manifest(std::string_view text) {
  toml::table document;
  try {
    document = toml::parse(text);
  } catch (const toml::parse_error& error) {
    fail(error.source(), std::string(error.description()));
  }
  Table top(document, "");
  Manifest manifest{.display_name = top.text("display_name"),
                    .description = top.text("description"),
                    .icon = top.text("icon"),
                    .tags = read_tags(top)};
  if (const auto type = top.text("provisioner"); !type.empty()) manifest.provisioner = type;
  std::set<std::string> names;
  for (const auto* parameter : top.tables("parameters")) {
    manifest.parameters.push_back(read_parameter(*parameter));
    if (!names.insert(manifest.parameters.back().name).second)
      fail(parameter->source(), "a second parameter '" + manifest.parameters.back().name + "'");
  }
  if (names.size() > kParametersMax)
    fail(document.source(), "more than " + std::to_string(kParametersMax) + " parameters");
  for (const auto* cost : top.tables("costs")) manifest.costs.push_back(read_cost(*cost));
  top.refuse_the_rest();
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& directory) {
  const auto file = directory / kManifestName;
  if (!is_plain_file(file)) return {};
  const std::string text = read_whole(file, kManifestMax + 1);
  if (text.size() > kManifestMax)
    throw base::Error(base::ErrorClass::user, "TEMPLATE_INVALID", std::string(kManifestName) + " is larger than 1 MiB");
  return parse_manifest(text);
}

std::string read_readme(const std::filesystem::path& directory) {
  for (const char* name : {"README.md", "readme.md", "Readme.md"}) {
    if (!is_plain_file(directory / name)) continue;
    std::string text = clean_text(read_whole(directory / name, kReadmeMax + 1));
    cut_utf8(text, kReadmeMax);
    return text;
  }
  return {};
}

fleet::ParsedTemplate declared_by(const Manifest& manifest, const std::filesystem::path& directory) {
  return {.variables = {}, .parameters = manifest.parameters, .readme = read_readme(directory), .tags = manifest.tags};
}

void add_declared(fleet::ParsedTemplate& parsed, const fleet::ParsedTemplate& declared) {
  for (const auto& parameter : declared.parameters) {
    const auto same = std::ranges::find(parsed.parameters, parameter.name, &fleet::TemplateParameter::name);
    if (same == parsed.parameters.end())
      parsed.parameters.push_back(parameter);
    else
      *same = parameter;
  }
  for (const auto& [name, value] : declared.tags) parsed.tags[name] = value;
  if (parsed.readme.empty()) parsed.readme = declared.readme;
}

}  // namespace slipway::provisioner
