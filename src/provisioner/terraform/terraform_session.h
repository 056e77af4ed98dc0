#pragma once
// One session with Terraform: what Parse, Plan and Apply are made of. For the session's thread.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "provisioner/blocking_session.h"
#include "provisioner/terraform/http_state.h"
#include "provisioner/terraform/terraform_command.h"
#include "provisioner/terraform/terraform_log.h"
#include "provisioner/terraform/terraform_provisioner.h"

namespace slipway::provisioner::terraform {

class TerraformSession final : public SessionWork {
 public:
  TerraformSession(TerraformProgram program, TerraformOptions options);
  void configure(const Config& config) override;
  ParseComplete parse(Work& work) override;
  PlanComplete plan(const Plan& plan, Work& work) override;
  ApplyComplete apply(Work& work) override;

 private:
  // A command that has been run, with what it complained about.
  struct Ran {
    CommandOutcome outcome;
    std::vector<Diagnostic> diagnostics;
    std::string last_words;  // on stderr
  };
  using Arguments = std::vector<std::string>;

  Command command(Arguments arguments) const;
  Ran run(Arguments arguments, Work& work, std::stop_token cancelled);
  // The standard output of a command that is soon over; not interrupted by a cancel. Throws TERRAFORM_FAILED.
  std::string ask(Arguments arguments, Work& work);

  void prepare(const Plan& plan, Work& work);
  void fetch_state(Work& work);
  void replace_backend(Work& work);
  void initialize(Work& work);

  // Of a command that a signal ended, and of one that failed by itself.
  struct FailureClasses {
    base::ErrorClass killed = base::ErrorClass::transient;
    base::ErrorClass failed = base::ErrorClass::internal;
  };
  base::Error failure(const Ran& ran, std::string_view action, FailureClasses classes) const;
  base::Error plan_failure(const Ran& ran, Work& work);
  bool is_about_values(const Ran& ran) const;

  void lock_state(Work& work);
  void unlock_state(Work& work);
  Ran run_apply(Work& work, ApplyComplete& complete, std::optional<base::Error>& lost);
  void adopt_errored_state(Work& work);
  void hand_on_file(Work& work, ApplyComplete& complete);
  void describe_state(Work& work, ApplyComplete& complete);

  TerraformProgram program_;
  TerraformOptions options_;
  Config config_;
  std::filesystem::path directory_;  // of the template
  std::filesystem::path own_;        // of our files, in it
  Environment environment_;
  TemplateFiles files_;
  std::vector<fleet::Resource> planned_;
  net::HttpClient client_;
  std::optional<HttpState> backend_;
  bool state_is_fetched_ = false, initialized_ = false, nothing_to_do_ = false;
};

}  // namespace slipway::provisioner::terraform
