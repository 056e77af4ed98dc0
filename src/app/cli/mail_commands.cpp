// mail test: whether the settings of mail are right, before the first customer finds out.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/mail_setup.h"
#include "base/random.h"

namespace slipway::app::cli {

namespace {

// As one gets it who has ordered the first tier.
workflows::ReadyMail sample(const CloudConfig& config, const std::string& to) {
  const auto tiers = tiers_of(config);
  const auto& tier = tiers.all().front();
  constexpr std::size_t kIdBytes = 9;
  workflows::ReadyMail ready{.message_id = "test." + base::random_token(kIdBytes), .workstation = {}};
  ready.workstation.id = "ws-sample";
  ready.workstation.user_email = to;
  ready.workstation.tier = tier.name;
  ready.workstation.machine_type = tier.machine_type;
  ready.workstation.vcpus = tier.vcpus;
  ready.workstation.memory_gb = tier.memory_gb;
  ready.workstation.boot_disk_size_gb = tier.disk_gb;
  ready.workstation.launch_url = "https://workstation.example.com";
  return ready;
}

int send_test(const Invocation& invocation, const std::string& file, const std::string& to) {
  const auto config = read_cloud_config(file);
  const auto sender = make_mail_sender(config.mail, invocation.world.clock);
  if (!sender) throw base::validation_error("mail/url", "is not set: this hub sends no mail");
  const auto mail = ready_mail(sample(config, to));
  sender->send(mail, {});
  if (invocation.wants_json())
    invocation.print_json(json::Object{{"to", mail.to}, {"subject", mail.subject}, {"messageId", mail.message_id}});
  else
    invocation.world.out << "Sent to " << printable(mail.to) << " by " << printable(config.mail.url) << ".\n";
  return kOk;
}

}  // namespace

void add_mail_commands(CLI::App& app, Invocation& invocation) {
  struct Options {
    std::string cloud, to;
  };
  auto options = std::make_shared<Options>();
  CLI::App& group = add_group(app, "mail", "Mail to those whose workstation is ready");
  CLI::App& command =
      add_command(group, invocation, "test", "Send a sample of it, by the settings of a hub; no hub is needed",
                  "  slipway mail test --cloud cloud.toml --to me@example.com",
                  [&invocation, options] { return send_test(invocation, options->cloud, options->to); });
  command.add_option("--cloud", options->cloud, "the file of `slipway serve --cloud`")->required();
  command.add_option("--to", options->to, "who gets it")->required();
}

}  // namespace slipway::app::cli
