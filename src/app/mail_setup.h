#pragma once
// From [mail] of the cloud's file to a sender, and from the record of a workstation to its mail.

#include <memory>

#include "app/cloud_config.h"
#include "notify/mail.h"
#include "workflows/workstation_services.h"

namespace slipway::app {

// Null when no mail is to be sent. Reads the password; throws VALIDATION_ERROR naming the key. The clock outlives it.
std::unique_ptr<notify::MailSender> make_mail_sender(const MailConfig& config, const base::Clock& clock);

notify::Mail ready_mail(const workflows::ReadyMail& ready);

}  // namespace slipway::app
