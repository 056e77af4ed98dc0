#include "app/cli/assignments.h"

#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "provisioner/terraform/hcl.h"

namespace slipway::app::cli {
namespace {

std::string contents_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw base::system_error("cannot read '" + file.string() + "'", errno);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string toml_as_json(const std::string& text, const std::filesystem::path& file) {
  try {
    std::ostringstream out;
    out << toml::json_formatter(toml::parse(text));
    return out.str();
  } catch (const toml::parse_error& error) {
    throw base::validation_error("--variables-file", file.string() + ", line " +
                                                         std::to_string(error.source().begin.line) + ": " +
                                                         std::string(error.description()));
  }
}

base::Error at_fault(const std::string& reason) { return base::validation_error("--variables-file", reason); }

std::map<std::string, std::string> read_tfvars(const std::string& text, const std::filesystem::path& file) {
  namespace terraform = provisioner::terraform;
  terraform::HclBlock body;
  try {
    body = terraform::parse_hcl(text, file.string());
  } catch (const base::Error& error) {
    throw at_fault(error.message());
  }
  if (!body.blocks.empty())
    throw at_fault(body.blocks.front().place.text() + ": '" + body.blocks.front().type +
                   "' is a block: only NAME = VALUE may stand here");
  std::map<std::string, std::string> values;
  for (const auto& attribute : body.attributes) {
    if (!attribute.json)
      throw at_fault(attribute.place.text() + ": the value of '" + attribute.name + "' is no literal one");
    values.insert_or_assign(attribute.name, attribute.string ? *attribute.string : *attribute.json);
  }
  return values;
}

}  // namespace

std::map<std::string, std::string> read_assignments(const std::string& option, const std::vector<std::string>& texts) {
  std::map<std::string, std::string> values;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw base::validation_error(option, "'" + text + "' is not of the form NAME=VALUE");
    values.insert_or_assign(text.substr(0, equals), text.substr(equals + 1));
  }
  return values;
}

std::map<std::string, std::string> read_values_file(const std::filesystem::path& file) {
  const auto text = contents_of(file);
  if (file.extension() == ".tfvars") return read_tfvars(text, file);
  const auto all = json::parse_value(file.extension() == ".json" ? text : toml_as_json(text, file), file.string());
  if (!all.is_object()) throw base::validation_error("--variables-file", "must hold names and values");
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : all.get_object())
    values.insert_or_assign(std::string(name),
                            value.is_string() ? std::string(value.get_string()) : json::print_value(value));
  return values;
}

}  // namespace slipway::app::cli
