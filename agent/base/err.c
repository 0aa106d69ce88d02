/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fixed-size error value. The reason that was set first stays whole: context that
 * does not fit is dropped, and what a caller says about an errno is cut before the errno's
 * own text is. Every message is made printable here, once, because paths in it come from
 * peers and the text ends up on a console and in a protobuf string, which must be UTF-8.
 */
#include "base/err.h"

#include <stdio.h>

#include "base/str.h"

#define ELLIPSIS	"..."

#define E(name)		[name] = #name

/* glibc has strerrorname_np, musl has not. */
static const char *const errno_names[] = {
	E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF),
	E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST),
	E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY),
	E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM),
	E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK), E(ENOSYS), E(ENOTEMPTY), E(ELOOP),
	E(ENOMSG), E(EIDRM), E(ECHRNG), E(EL2NSYNC), E(EL3HLT), E(EL3RST), E(ELNRNG), E(EUNATCH),
	E(ENOCSI), E(EL2HLT), E(EBADE), E(EBADR), E(EXFULL), E(ENOANO), E(EBADRQC), E(EBADSLT),
	E(EBFONT), E(ENOSTR), E(ENODATA), E(ETIME), E(ENOSR), E(ENONET), E(ENOPKG), E(EREMOTE),
	E(ENOLINK), E(EADV), E(ESRMNT), E(ECOMM), E(EPROTO), E(EMULTIHOP), E(EDOTDOT), E(EBADMSG),
	E(EOVERFLOW), E(ENOTUNIQ), E(EBADFD), E(EREMCHG), E(ELIBACC), E(ELIBBAD), E(ELIBSCN),
	E(ELIBMAX), E(ELIBEXEC), E(EILSEQ), E(ERESTART), E(ESTRPIPE), E(EUSERS), E(ENOTSOCK),
	E(EDESTADDRREQ), E(EMSGSIZE), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT),
	E(ESOCKTNOSUPPORT), E(EOPNOTSUPP), E(EPFNOSUPPORT), E(EAFNOSUPPORT), E(EADDRINUSE),
	E(EADDRNOTAVAIL), E(ENETDOWN), E(ENETUNREACH), E(ENETRESET), E(ECONNABORTED),
	E(ECONNRESET), E(ENOBUFS), E(EISCONN), E(ENOTCONN), E(ESHUTDOWN), E(ETOOMANYREFS),
	E(ETIMEDOUT), E(ECONNREFUSED), E(EHOSTDOWN), E(EHOSTUNREACH), E(EALREADY), E(EINPROGRESS),
	E(ESTALE), E(EUCLEAN), E(ENOTNAM), E(ENAVAIL), E(EISNAM), E(EREMOTEIO), E(EDQUOT),
	E(ENOMEDIUM), E(EMEDIUMTYPE), E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED), E(EKEYREVOKED),
	E(EKEYREJECTED), E(EOWNERDEAD), E(ENOTRECOVERABLE), E(ERFKILL), E(EHWPOISON),
};

static const char *const rc_names[] = {
	[RC_OK] = "OK",
	[RC_CANCELLED] = "CANCELLED",
	[RC_UNKNOWN] = "UNKNOWN",
	[RC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
	[RC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
	[RC_NOT_FOUND] = "NOT_FOUND",
	[RC_ALREADY_EXISTS] = "ALREADY_EXISTS",
	[RC_PERMISSION_DENIED] = "PERMISSION_DENIED",
	[RC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
	[RC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
	[RC_ABORTED] = "ABORTED",
	[RC_OUT_OF_RANGE] = "OUT_OF_RANGE",
	[RC_UNIMPLEMENTED] = "UNIMPLEMENTED",
	[RC_INTERNAL] = "INTERNAL",
	[RC_UNAVAILABLE] = "UNAVAILABLE",
	[RC_DATA_LOSS] = "DATA_LOSS",
	[RC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

static const struct {
	int errnum;
	enum rc rc;
} errno_rcs[] = {
	{ ENOENT, RC_NOT_FOUND },
	{ EEXIST, RC_ALREADY_EXISTS },
	{ EINVAL, RC_INVALID_ARGUMENT },
	{ EPERM, RC_PERMISSION_DENIED },
	{ EACCES, RC_PERMISSION_DENIED },
	{ ENOMEM, RC_RESOURCE_EXHAUSTED },
	{ ENOSPC, RC_RESOURCE_EXHAUSTED },
	{ EMFILE, RC_RESOURCE_EXHAUSTED },
	{ ENFILE, RC_RESOURCE_EXHAUSTED },
	{ EDQUOT, RC_RESOURCE_EXHAUSTED },
	{ EBUSY, RC_FAILED_PRECONDITION },
	{ ETIMEDOUT, RC_DEADLINE_EXCEEDED },
	{ ENOSYS, RC_UNIMPLEMENTED },
	{ EOPNOTSUPP, RC_UNIMPLEMENTED },
	{ ECANCELED, RC_CANCELLED },
};

enum rc err_rc_of(int errnum)
{
	for (size_t i = 0; i < COUNT_OF(errno_rcs); i++)
		if (errno_rcs[i].errnum == errnum)
			return errno_rcs[i].rc;
	return RC_INTERNAL;
}

const char *err_rc_name(int rc)
{
	if (rc < 0 || (size_t)rc >= COUNT_OF(rc_names))
		return "?";
	return rc_names[rc];
}

const char *err_errno_name(int errnum)
{
	if (errnum <= 0 || (size_t)errnum >= COUNT_OF(errno_names) || !errno_names[errnum])
		return "E?";
	return errno_names[errnum];
}

/* Formats into buf[0..room), printable; a text that is too long ends in "...". */
static void format_cut(char *buf, size_t room, const char *fmt, va_list ap)
{
	struct str s;

	str_init(&s, buf, room);
	str_vaddf(&s, fmt, ap);
	str_sanitize(buf);
	if (!str_ok(&s))
		str_cut(buf, room - 1, ELLIPSIS);
}

int err_set(struct err *e, enum rc rc, const char *fmt, ...)
{
	char text[sizeof(e->msg)];
	va_list ap;

	if (err_is_set(e))
		return -1;
	va_start(ap, fmt);
	format_cut(text, sizeof(text), fmt, ap);
	va_end(ap);

	e->rc = rc == RC_OK ? RC_INTERNAL : (uint16_t)rc;
	e->sys = 0;
	memcpy(e->msg, text, sizeof(text));
	return -1;
}

int err_sys(struct err *e, int errnum, const char *fmt, ...)
{
	char reason[96], text[sizeof(e->msg)];
	struct str s = STR_OVER(reason);
	va_list ap;

	if (err_is_set(e))
		return -1;
	str_addf(&s, ": %s (%s)", strerror(errnum), err_errno_name(errnum));

	va_start(ap, fmt);
	format_cut(text, sizeof(text) - s.len, fmt, ap);
	va_end(ap);

	e->rc = (uint16_t)err_rc_of(errnum);
	e->sys = errnum > 0 && errnum <= UINT16_MAX ? (uint16_t)errnum : 0;
	str_init(&s, e->msg, sizeof(e->msg));
	str_add(&s, text);
	str_add(&s, reason);
	return -1;
}

int err_ctx(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->msg)];
	struct str s = STR_OVER(text);
	va_list ap;

	if (!err_is_set(e))
		return -1;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	str_sanitize(text);
	str_add(&s, ": ");
	str_add(&s, e->msg);
	if (str_ok(&s))
		memcpy(e->msg, text, s.len + 1);
	return -1;
}

void err_clear(struct err *e)
{
	memset(e, 0, sizeof(*e));
}

void err_sanitize(struct err *e)
{
	e->msg[sizeof(e->msg) - 1] = '\0';
	str_sanitize(e->msg);
	if (e->rc == RC_OK || e->rc >= COUNT_OF(rc_names))
		e->rc = RC_INTERNAL;
}
