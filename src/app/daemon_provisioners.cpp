#include "app/daemon_provisioners.h"

#include <filesystem>
#include <sstream>

#include "provisioner/registry.h"
#include "provisioner/scripted.h"
#include "provisioner/stdio_provisioner.h"

namespace slipway::app {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
}

std::unique_ptr<provisioner::Provisioner> built_in(const std::string& type) {
  if (type == provisioner::kScriptedType) return provisioner::make_built_in(type);
  return provisioner::make_built_in_process(type, std::filesystem::read_symlink("/proc/self/exe").string());
}

std::unique_ptr<provisioner::Provisioner> from_words(const std::string& wanted) {
  const auto equals = wanted.find('=');
  if (equals == std::string::npos) return built_in(wanted);
  auto command = words_of(wanted.substr(equals + 1));
  if (equals == 0 || command.empty())
    throw base::validation_error("provisioner", "'" + wanted + "' is neither TYPE nor TYPE=COMMAND");
  // A job is started in another folder than we were.
  if (command.front().find('/') != std::string::npos) command.front() = std::filesystem::absolute(command.front());
  return std::make_unique<provisioner::StdioProvisioner>(
      provisioner::StdioOptions{.type = wanted.substr(0, equals), .command = std::move(command)});
}

}  // namespace

runner::Provisioners daemon_provisioners(const std::vector<std::string>& wanted) {
  runner::Provisioners provisioners;
  for (const auto& one : wanted.empty() ? provisioner::built_in_types() : wanted) {
    std::shared_ptr<provisioner::Provisioner> made = from_words(one);
    provisioners.insert_or_assign(std::string(made->type()), std::move(made));
  }
  return provisioners;
}

}  // namespace slipway::app
