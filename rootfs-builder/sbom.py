# SPDX-License-Identifier: Apache-2.0
"""The bill of materials: SPDX 2.3 as JSON."""
import datetime
import json
import re

LIBRARIES = {  # of the agent: the licence that the sources declare
    "musl": "MIT", "protobuf-c": "BSD-2-Clause", "yyjson": "MIT", "libmnl": "LGPL-2.1-or-later", "libseccomp": "LGPL-2.1-only",
    "libcgroup": "LGPL-2.1-only", "util-linux": "LGPL-2.1-or-later",
}
PROGRAMS = {  # of tools/guest-programs, and what is linked into them beside musl and libmnl
    "e2fsprogs": "GPL-2.0-only AND LGPL-2.0-only AND BSD-3-Clause AND MIT", "libnftnl": "GPL-2.0-or-later", "iptables": "GPL-2.0-or-later",
}
# Debian's short names that SPDX has under another one
SPDX = {
    "gpl-1": "GPL-1.0-only", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later", "gpl-2.0+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later", "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
    "expat": "MIT", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause",
    "isc": "ISC", "zlib": "Zlib", "apache-2.0": "Apache-2.0", "apache-2": "Apache-2.0", "artistic-2.0": "Artistic-2.0", "cc0-1.0": "CC0-1.0", "cc0": "CC0-1.0",
    "openssl": "OpenSSL", "mpl-2.0": "MPL-2.0", "gfdl-1.3": "GFDL-1.3-only",
}


def licences(copyright_text):
    """(SPDX expression or NOASSERTION, names that SPDX does not know) of a package's copyright file."""
    if not re.match(r"\s*Format(-Specification)?:\s*\S+", copyright_text, re.I):
        return "NOASSERTION", []
    known, own = [], []
    for line in re.findall(r"^License:[ \t]*(\S.*)$", copyright_text, re.M | re.I):
        for word in re.split(r"\s+(?:and|or|and/or|with\s.*)(?:\s+|$)|,\s*|\s*\|\s*", line.strip(), flags=re.I):
            word = word.strip(" ().")
            if not word:
                continue
            name = SPDX.get(word.lower())
            if name and name not in known:
                known.append(name)
            elif not name and word not in own:
                own.append(word)
    refs = ["LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", w) for w in own]
    return " AND ".join(sorted(set(known + refs))) or "NOASSERTION", own


def package(spdx, name, version, licence, sha=None, purl=None, supplier="NOASSERTION", comment=None):
    p = {"SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", spdx), "name": name, "versionInfo": version, "supplier": supplier,
         "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": licence,
         "copyrightText": "NOASSERTION"}
    if sha:
        p["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha}]
    if purl:
        p["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
    if comment:
        p["comment"] = comment
    return p


def archives(versions, sources, licences_of):
    """(name, version, SHA-256 of the archive) of what was built: a file VERSIONS and the table of pinned archives."""
    sums = {}
    for line in sources.splitlines():
        words = line.split()
        if len(words) == 5 and not line.startswith("#"):
            name = words[3].rsplit("/", 1)[-1]
            sums[re.sub(r"%([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), name)] = words[4]
    for line in versions.splitlines():
        name, version, *archive = line.split()
        if name in licences_of:
            yield name, version, sums.get(archive[0] if archive else "")


def document(image, epoch, content_sum, agent, libs, built, rows, texts):
    """image: its name; agent: (version, SHA-256); libs, built: of archives(); rows: of the lock; texts: package -> copyright."""
    packages, relations, refs = [], [], {}
    packages.append(package("image", image, content_sum[:16], "NOASSERTION"))
    packages.append(package("mote-agent", "mote-agent", agent[0], "Apache-2.0", sha=agent[1]))
    relations.append(("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"))
    relations.append(("SPDXRef-image", "CONTAINS", "SPDXRef-mote-agent"))
    for name, version, sha in libs:
        p = package("agent-" + name, name, version, LIBRARIES[name], sha=sha, comment="linked statically into mote-agent, and into the programs that are said to be linked with it; the checksum is its archive's")
        packages.append(p)
        relations.append(("SPDXRef-mote-agent", "STATIC_LINK", p["SPDXID"]))
    for name, version, sha in built:
        p = package("program-" + name, name, version, PROGRAMS[name], sha=sha, comment="built from source, static; the checksum is its archive's")
        packages.append(p)
        relations.append(("SPDXRef-image", "CONTAINS", p["SPDXID"]))
        for lib in ("musl", "libmnl") if name == "iptables" else ("musl",) if name == "e2fsprogs" else ():
            if any(lib == n for n, _, _ in libs):
                relations.append((p["SPDXID"], "STATIC_LINK", "SPDXRef-agent-" + lib))
    for row in rows:
        licence, own = licences(texts.get(row["package"], ""))
        for name in own:
            refs["LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", name)] = name
        purl = "pkg:deb/debian/%s@%s?arch=%s" % (row["package"], row["version"].replace("+", "%2B").replace(":", "%3A"), row["architecture"])
        p = package("deb-" + row["package"], row["package"], row["version"], licence, sha=row["sha256"], purl=purl, supplier="Organization: Debian")
        packages.append(p)
        relations.append(("SPDXRef-image", "CONTAINS", p["SPDXID"]))
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    doc = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": image,
        "documentNamespace": "https://mote.invalid/spdx/%s-%s" % (image, content_sum),
        "creationInfo": {"created": created, "creators": ["Tool: mote-rootfs-builder-" + agent[0]]},
        "packages": packages,
        "relationships": [{"spdxElementId": a, "relationshipType": t, "relatedSpdxElement": b} for a, t, b in relations],
    }
    if refs:
        doc["hasExtractedLicensingInfos"] = [{"licenseId": k, "name": v, "extractedText": "The licence that the package's copyright file calls '%s'." % v}
                                             for k, v in sorted(refs.items())]
    return json.dumps(doc, indent=1, ensure_ascii=False) + "\n"
