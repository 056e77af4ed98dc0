#include "provisioner/terraform/terraform_provisioner.h"

#include "provisioner/blocking_session.h"
#include "provisioner/terraform/terraform_session.h"

namespace slipway::provisioner::terraform {

TerraformProgram TerraformProvisioner::program() const {
  const std::lock_guard lock(mutex_);
  if (!program_) program_ = find_terraform(options_.program, options_.host);
  return *program_;
}

std::unique_ptr<Session> TerraformProvisioner::open(SessionEvents events) {
  auto program = this->program();
  Hello hello{.provisioner = std::string(type()), .version = program.name + " " + program.version, .locks_state = true};
  return std::make_unique<BlockingSession>(
      std::move(hello),
      [program = std::move(program), options = options_] {
        return std::make_unique<TerraformSession>(program, options);
      },
      std::move(events));
}

}  // namespace slipway::provisioner::terraform
