#pragma once
// The provisioner `terraform` (RUN-21): init, plan, show, apply, in the folder of the session. Also for OpenTofu.
//
// The state lies in a file beside the template and is handed on as Terraform writes it (http_state.h says why it is not
// Terraform that does it). Nothing of a state or of `show` is ever logged: both hold secrets in clear.

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "provisioner/protocol.h"
#include "provisioner/terraform/terraform_program.h"

namespace slipway::provisioner::terraform {

struct TerraformOptions {
  std::string program;  // a path or a name; empty: see find_terraform
  // Between SIGINT and SIGKILL: the time that providers get to finish what they are doing.
  std::chrono::milliseconds interrupt_bound = std::chrono::minutes(3);
  // How long a finished apply tries to get its last state to the hub before it hands it on as a file. Long, for its
  // daemon may be dead: then nobody takes the file.
  std::chrono::milliseconds last_state_bound = std::chrono::minutes(30);
  Environment host = host_environment();
};

class TerraformProvisioner final : public Provisioner {
 public:
  explicit TerraformProvisioner(TerraformOptions options = {}) : options_(std::move(options)) {}

  std::string_view type() const override { return "terraform"; }
  void check() const override { program(); }
  std::unique_ptr<Session> open(SessionEvents events) override;

 private:
  // Looked for until it is found, then never again.
  TerraformProgram program() const;

  TerraformOptions options_;
  mutable std::mutex mutex_;
  mutable std::optional<TerraformProgram> program_;
};

}  // namespace slipway::provisioner::terraform
