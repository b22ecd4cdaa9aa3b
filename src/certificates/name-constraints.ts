import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import {
  type Certificate,
  type Extension,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from '@peculiar/asn1-x509'
import { AsnConvert } from '@peculiar/asn1-schema'
import { extension } from './sign-certificate.ts'

/** The names that a certificate authority may sign (RFC 5280 section 4.2.1.10). */
export type Constraints = {
  /** Undefined if names of this type are not limited. */
  readonly permittedNames: readonly string[] | undefined
  /** As `address/prefix`; undefined if addresses are not limited. */
  readonly permittedAddresses: readonly string[] | undefined
  readonly excludedNames: readonly string[]
  readonly excludedAddresses: readonly string[]
}

/** Excludes all addresses: a limit on names alone does not apply to addresses. */
const ALL_ADDRESSES = ['0.0.0.0/0', '::/0']

/**
 * A name that cannot exist (RFC 6761 section 6.4). It is the only permitted name of an authority for
 * addresses, because a limit on addresses alone does not apply to names.
 */
const NO_NAME = 'token-sidecar.invalid'

/** For an authority that may sign these DNS names and their subdomains, and no address. */
export function namesOnly(names: readonly string[]): Constraints {
  return {
    permittedNames: names,
    permittedAddresses: undefined,
    excludedNames: [],
    excludedAddresses: ALL_ADDRESSES,
  }
}

/** For an authority that may sign exactly these addresses, and no name. */
export function addressesOnly(addresses: readonly string[]): Constraints {
  return {
    permittedNames: [NO_NAME],
    permittedAddresses: addresses.map((address) => `${address}/${isIPv4(address) ? 32 : 128}`),
    excludedNames: [],
    // A verifier may treat the versions of IP as two types of names.
    excludedAddresses: [
      ...(addresses.some(isIPv4) ? [] : ['0.0.0.0/0']),
      ...(addresses.some(isIPv6) ? [] : ['::/0']),
    ],
  }
}

export function constraintsExtension(constraints: Constraints): Extension {
  const { permittedNames, permittedAddresses, excludedNames, excludedAddresses } = constraints
  const permitted = [
    ...subtrees('dNSName', permittedNames),
    ...subtrees('iPAddress', permittedAddresses),
  ]
  const excluded = [
    ...subtrees('dNSName', excludedNames),
    ...subtrees('iPAddress', excludedAddresses),
  ]
  const value = new NameConstraints({
    ...(permitted.length > 0 && { permittedSubtrees: new GeneralSubtrees(permitted) }),
    ...(excluded.length > 0 && { excludedSubtrees: new GeneralSubtrees(excluded) }),
  })
  return extension(id_ce_nameConstraints, value, true)
}

function subtrees(type: 'dNSName' | 'iPAddress', values: readonly string[] = []): GeneralSubtree[] {
  return values.map((value) => new GeneralSubtree({ base: new GeneralName({ [type]: value }) }))
}

/** Undefined if the certificate has no name constraints. */
export function readConstraints({ tbsCertificate }: Certificate): Constraints | undefined {
  const found = tbsCertificate.extensions?.find(({ extnID }) => extnID === id_ce_nameConstraints)
  if (found === undefined) return undefined
  const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(found.extnValue, NameConstraints)
  const permitted = valuesOf(permittedSubtrees)
  const excluded = valuesOf(excludedSubtrees)
  return {
    permittedNames: permitted.names.length > 0 ? permitted.names : undefined,
    permittedAddresses: permitted.addresses.length > 0 ? permitted.addresses : undefined,
    excludedNames: excluded.names,
    excludedAddresses: excluded.addresses,
  }
}

function valuesOf(found: GeneralSubtrees | undefined) {
  const bases = [...(found ?? [])].map(({ base }) => base)
  return {
    names: bases.flatMap(({ dNSName }) => (dNSName === undefined ? [] : [dNSName.toLowerCase()])),
    addresses: bases.flatMap(({ iPAddress }) => (iPAddress === undefined ? [] : [iPAddress])),
  }
}

/**
 * What authorities may sign together, for people: names and addresses, undefined where they are not limited. Exclusions
 * within permitted names are left out.
 */
export function describeLimits(authorities: readonly { constraints: readonly Constraints[] }[]): {
  names: readonly string[] | undefined
  addresses: readonly string[] | undefined
} {
  const limits = authorities.map(({ constraints }) => ({
    names: narrowest(constraints.map(({ permittedNames }) => permittedNames)),
    addresses: narrowest(
      constraints.map(({ permittedAddresses, excludedAddresses }) =>
        ALL_ADDRESSES.every((range) => excludedAddresses.includes(range)) ? [] : permittedAddresses,
      ),
    ),
  }))
  return {
    names: union(limits.map(({ names }) => names))?.filter((name) => name !== NO_NAME),
    addresses: union(limits.map(({ addresses }) => addresses)),
  }
}

/** The limit that is the closest to the end of the chain. */
function narrowest(
  limits: readonly (readonly string[] | undefined)[],
): readonly string[] | undefined {
  return limits.find((limit) => limit !== undefined)
}

/** Undefined if one of them is: it is not limited. */
function union(limits: readonly (readonly string[] | undefined)[]): string[] | undefined {
  const known = limits.filter((limit) => limit !== undefined)
  return known.length < limits.length ? undefined : [...new Set(known.flat())]
}

/** Whether a certificate for this DNS name (in lower case) or IP address satisfies the constraints. */
export function permitsHost(constraints: Constraints, host: string): boolean {
  if (isIP(host) !== 0) {
    const { permittedAddresses: permitted, excludedAddresses: excluded } = constraints
    return !isAddressIn(excluded, host) && (permitted === undefined || isAddressIn(permitted, host))
  }
  const { permittedNames: permitted, excludedNames: excluded } = constraints
  return !isNameIn(excluded, host) && (permitted === undefined || isNameIn(permitted, host))
}

function isAddressIn(ranges: readonly string[], address: string): boolean {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    // A BlockList would match IPv4 addresses with ::/0, as IPv4-mapped ones.
    if ((isIPv4(network) ? 'ipv4' : 'ipv6') === family) {
      list.addSubnet(network, Number(prefix), family)
    }
  }
  return list.check(address, family)
}

/** A name covers itself and its subdomains; with a leading dot, as OpenSSL and Go read it, only these. */
function isNameIn(names: readonly string[], host: string): boolean {
  return names.some(
    (name) =>
      name === '' || host === name || host.endsWith(name.startsWith('.') ? name : `.${name}`),
  )
}
