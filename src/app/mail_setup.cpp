#include "app/mail_setup.h"

#include <fstream>

#include "notify/workstation_mail.h"

namespace slipway::app {
namespace {

base::Secret read_password(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream in(file);
  std::string text;
  if (!std::getline(in, text)) throw base::validation_error("mail/password_file", "cannot be read, or is empty");
  return base::Secret(std::move(text));
}

}  // namespace

std::unique_ptr<notify::MailSender> make_mail_sender(const MailConfig& config, const base::Clock& clock) {
  if (config.url.empty()) return nullptr;
  notify::MailSettings settings{.url = config.url,
                                .starttls = {},
                                .username = config.username,
                                .password = read_password(config.password_file),
                                .sender = config.sender,
                                .sender_name = config.sender_name,
                                .reply_to = config.reply_to,
                                .ca_file = config.ca_file};
  if (config.starttls == "required") settings.starttls = notify::StartTls::required;
  if (config.starttls == "no") settings.starttls = notify::StartTls::off;
  return notify::make_mail_sender(std::move(settings), clock);
}

notify::Mail ready_mail(const workflows::ReadyMail& ready) {
  const auto& workstation = ready.workstation;
  auto mail = notify::render_workstation_ready({.user_email = workstation.user_email,
                                                .name = workstation.id,
                                                .tier = workstation.tier,
                                                .vcpus = workstation.vcpus,
                                                .memory_gb = workstation.memory_gb,
                                                .disk_gb = workstation.boot_disk_size_gb,
                                                .machine_type = workstation.machine_type,
                                                .launch_url = workstation.launch_url.value_or(""),
                                                .organization = workstation.organization_id});
  mail.message_id = ready.message_id;
  return mail;
}

}  // namespace slipway::app
