#pragma once
// The text of a mail (RFC 5322): headers, and a plain-text and an HTML part (multipart/alternative), quoted-printable
// (RFC 2045), headers beyond ASCII as encoded words (RFC 2047). Plain functions.
//
// Everything that comes from elsewhere is checked or encoded: no value can add a header or end the message.

#include <string>
#include <string_view>

#include "notify/mail.h"

namespace slipway::notify {

// ASCII, as RFC 5321 has it without quoted local parts and address literals. Throws VALIDATION_ERROR naming `field`.
void validate_address(std::string_view field, const std::string& address);

// Ends of lines are CRLF, none is longer than 998 bytes; lines that begin with a dot are not doubled: that is SMTP's.
// Throws VALIDATION_ERROR.
std::string compose_mail(const MailSettings& settings, const Mail& mail, base::Instant now);
// What stands between < and > in Message-ID. Throws VALIDATION_ERROR.
std::string message_id_of(const MailSettings& settings, const Mail& mail);

// A header's value in ASCII: as it is, or as encoded words of at most 75 characters, folded. `used` characters of the
// first line are taken by the header's name.
std::string encode_words(std::string_view text, std::size_t used);
// RFC 2045 §6.7, of a text whose lines end with LF or CRLF.
std::string quoted_printable(std::string_view text);

}  // namespace slipway::notify
