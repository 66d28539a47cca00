"""Sending mail through the SMTP server of the installation."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate

from catalog.settings import Settings

_TIMEOUT = 15.0


class MailError(Exception):
    """Why a mail was not taken; ``final`` where trying again is useless."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


def send(to: str, subject: str, text: str, message_id: str, settings: Settings) -> str:
    """Hand one mail to the server and return what it is known by; the same ``message_id`` again is the same mail.

    Raises ``MailError``, also where no server is set.
    """
    if not settings.smtp_host:
        raise MailError("No mail server is set (SLIPWAY_SMTP_HOST).")
    message = EmailMessage()
    message["From"] = settings.smtp_from
    message["To"] = to
    message["Subject"] = " ".join(subject.split())[:200]
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{message_id}@{settings.smtp_from.rpartition('@')[2] or 'slipway.invalid'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT) as server:
            if settings.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user and settings.smtp_password is not None:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as refused:
        code = max(code for code, _ in refused.recipients.values())
        raise MailError(f"The mail server refuses the recipient ({code}).", final=500 <= code < 600) from None
    except smtplib.SMTPResponseException as refused:
        raise MailError(f"The mail server answers {refused.smtp_code}.") from None
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"The mail server does not answer ({type(error).__name__}).") from None
    return str(message["Message-ID"])
