#include "provisioner/stdio_provisioner.h"

#include <cstdlib>

#include "base/program_path.h"
#include "provisioner/stdio_session.h"

namespace slipway::provisioner {
namespace {

bool can_be_found(const std::string& program) {
  if (program.find('/') != program.npos) return base::is_program(program);
  const char* path = std::getenv("PATH");
  return base::find_program(program, path == nullptr ? base::kDefaultPath : path).has_value();
}

}  // namespace

StdioProvisioner::StdioProvisioner(StdioOptions options)
    : options_(std::make_shared<const StdioOptions>(std::move(options))) {
  SLIPWAY_ASSERT(!options_->command.empty());
}

void StdioProvisioner::check() const {
  if (!can_be_found(options_->command.front()))
    throw base::Error(base::ErrorClass::user, "PROVISIONER_UNAVAILABLE",
                      "'" + options_->command.front() + "', which is to build templates of type '" + options_->type +
                          "', is no program on this machine");
  if (options_->check) options_->check();
}

std::unique_ptr<Session> StdioProvisioner::open(SessionEvents events) {
  return std::make_unique<StdioSession>(options_, std::move(events));
}

}  // namespace slipway::provisioner
