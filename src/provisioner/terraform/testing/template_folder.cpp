#include "provisioner/terraform/testing/template_folder.h"

#include <stdlib.h>

#include <fstream>

#include "base/error.h"
#include "provisioner/terraform/terraform_command.h"
#include "provisioner/terraform/terraform_facts.h"
#include "provisioner/terraform/terraform_program.h"

namespace slipway::provisioner::terraform {

TemplateFolder::TemplateFolder(const std::map<std::string, std::string>& files) {
  auto name = (std::filesystem::temp_directory_path() / "slipway-template-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw base::system_error("make a temporary folder", errno);
  path_ = name;
  for (const auto& [file, text] : files) write(file, text);
}

TemplateFolder::~TemplateFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemplateFolder::write(const std::string& name, const std::string& text) const {
  const auto file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

bool terraform_is_there() {
  try {
    find_terraform("", host_environment());
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

std::map<std::string, std::string> outputs_of_terraform(const std::filesystem::path& folder) {
  const auto program = find_terraform("", host_environment());
  std::string output;
  const auto run = [&](std::vector<std::string> arguments) {
    output.clear();
    const auto outcome = run_command({.program = program.path,
                                      .arguments = std::move(arguments),
                                      .environment = terraform_environment(host_environment(), {}),
                                      .directory = folder},
                                     {.on_line = [&](Stream stream, std::string_view line) {
                                       if (stream == Stream::output) output += std::string(line) + '\n';
                                     }});
    if (!outcome.ok()) throw base::internal_error("terraform: " + output);
  };
  run({"init", "-input=false", "-no-color"});
  run({"apply", "-auto-approve", "-input=false", "-no-color"});
  run({"show", "-json"});
  return facts_of_state(output).outputs;
}

}  // namespace slipway::provisioner::terraform
