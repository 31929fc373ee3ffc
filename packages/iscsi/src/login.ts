import { Chap, type ChapOptions } from './chap'
import { LoginError, LoginStatus } from './errors'
import { isUsableName, normalName } from './names'
import { Negotiation, type Parameters } from './negotiation'
import { type Pair, TextCollector } from './text'

/** RFC 7143 11.12.3 stages. */
export const Stage = { SECURITY: 0, OPERATIONAL: 1, FULL: 3 } as const
type StageNumber = (typeof Stage)[keyof typeof Stage]

/** Stage transitions an initiator may ask for (RFC 7143 11.12.3). */
const transitions: Readonly<Record<number, readonly number[]>> = {
  [Stage.SECURITY]: [Stage.OPERATIONAL, Stage.FULL],
  [Stage.OPERATIONAL]: [Stage.FULL],
}

const MAX_TEXT = 65536
const MAX_ROUNDS = 64
export const PORTAL_GROUP_TAG = 1

/** What a login is checked against. */
export interface LoginPolicy {
  readonly targetName: string
  readonly chap?: ChapOptions | undefined
  /** Initiator names that may log in, normalized; undefined lets everybody in. */
  readonly acl?: ReadonlySet<string> | undefined
}

/** The fields of a login request that matter here. */
export interface LoginStep {
  readonly transit: boolean
  readonly more: boolean
  readonly currentStage: number
  readonly nextStage: number
  readonly versionMin: number
}
export interface LoginReply {
  readonly transit: boolean
  readonly currentStage: number
  readonly nextStage: number
  readonly pairs: readonly Pair[]
}

/** Where an initiator says who it is and whom it wants; asked of the first request only. */
const identityKeys = ['InitiatorName', 'TargetName', 'SessionType'] as const
/** Asked in the security stage, answered by `Chap` and `authMethod`. */
const securityKey = (key: string): boolean => key === 'AuthMethod' || key.startsWith('CHAP_')

/** The target's side of the login of one connection, without I/O. Every method throws LoginError or ProtocolError. */
export class Login {
  initiatorName = ''
  discovery = false
  /** Full feature phase was reached. */
  done = false
  private stage: StageNumber | undefined
  private rounds = 0
  private authenticated: boolean
  private readonly chap: Chap | undefined
  private chapChosen = false
  private readonly text = new TextCollector(MAX_TEXT)
  private readonly negotiation = new Negotiation(() => this.discovery)

  constructor(private readonly policy: LoginPolicy) {
    this.authenticated = policy.chap === undefined
    this.chap = policy.chap && new Chap(policy.chap)
  }

  get parameters(): Parameters {
    return this.negotiation.parameters
  }

  request(step: LoginStep, data: Uint8Array): LoginReply {
    if (++this.rounds > MAX_ROUNDS) throw new LoginError(LoginStatus.INITIATOR_ERROR, `login does not end after ${MAX_ROUNDS} requests`)
    if (step.versionMin > 0) throw new LoginError(LoginStatus.VERSION, `protocol version ${step.versionMin} is not supported`)
    this.checkStage(step)
    this.text.add(data)
    if (step.more) {
      if (step.transit) throw new LoginError(LoginStatus.INITIATOR_ERROR, 'a request that is continued asks for the next stage')
      return { transit: false, currentStage: step.currentStage, nextStage: 0, pairs: [] }
    }
    return this.answer(step, this.text.take())
  }

  private checkStage(step: LoginStep): void {
    if (!(step.currentStage in transitions)) throw new LoginError(LoginStatus.INITIATOR_ERROR, `there is no login stage ${step.currentStage}`)
    if (this.stage !== undefined && step.currentStage !== this.stage) {
      throw new LoginError(LoginStatus.INITIATOR_ERROR, `a request of stage ${step.currentStage} came in stage ${this.stage}`)
    }
    if (step.transit && !transitions[step.currentStage]!.includes(step.nextStage)) {
      throw new LoginError(LoginStatus.INITIATOR_ERROR, `stage ${step.nextStage} does not follow stage ${step.currentStage}`)
    }
  }

  private answer(step: LoginStep, pairs: Pair[]): LoginReply {
    const keys = new Map(pairs)
    if (keys.size !== pairs.length) throw new LoginError(LoginStatus.INITIATOR_ERROR, 'a key was sent twice')
    const out: Pair[] = []
    if (this.stage === undefined) this.identify(keys, out)
    this.stage = step.currentStage as StageNumber
    if (this.stage === Stage.SECURITY) this.secure(keys, step, out)
    else if (!this.authenticated) throw new LoginError(LoginStatus.AUTHENTICATION_FAILED, 'the initiator skips authentication, which this target requires')
    for (const [key, value] of pairs) {
      if ((identityKeys as readonly string[]).includes(key) || (securityKey(key) && this.stage === Stage.SECURITY)) continue
      const pair = this.negotiation.answer(key, value)
      if (pair) out.push(pair)
    }
    if (this.stage === Stage.OPERATIONAL) out.push(...this.negotiation.declarations())
    return this.move(step, out)
  }

  private move(step: LoginStep, pairs: Pair[]): LoginReply {
    const transit = step.transit && this.authenticated
    if (transit) {
      this.stage = step.nextStage as StageNumber
      this.done = this.stage === Stage.FULL
    }
    return { transit, currentStage: step.currentStage, nextStage: transit ? step.nextStage : 0, pairs }
  }

  private identify(keys: ReadonlyMap<string, string>, out: Pair[]): void {
    const initiator = keys.get('InitiatorName')
    if (initiator === undefined) throw new LoginError(LoginStatus.MISSING_PARAMETER, 'InitiatorName is missing')
    if (!isUsableName(initiator)) throw new LoginError(LoginStatus.INITIATOR_ERROR, `InitiatorName ${JSON.stringify(initiator.slice(0, 80))} is no name`)
    this.initiatorName = normalName(initiator)
    const type = keys.get('SessionType') ?? 'Normal'
    if (type !== 'Normal' && type !== 'Discovery') throw new LoginError(LoginStatus.SESSION_TYPE, `there is no session type ${JSON.stringify(type.slice(0, 80))}`)
    this.discovery = type === 'Discovery'
    if (this.discovery) return
    const target = keys.get('TargetName')
    if (target === undefined) throw new LoginError(LoginStatus.MISSING_PARAMETER, 'TargetName is missing')
    if (normalName(target) !== this.policy.targetName) throw new LoginError(LoginStatus.NOT_FOUND, `there is no target ${JSON.stringify(target.slice(0, 240))}`)
    if (this.policy.acl && !this.policy.acl.has(this.initiatorName)) throw new LoginError(LoginStatus.FORBIDDEN, 'this initiator is not on the access list')
    out.push(['TargetPortalGroupTag', String(PORTAL_GROUP_TAG)])
  }

  private secure(keys: ReadonlyMap<string, string>, step: LoginStep, out: Pair[]): void {
    const offer = keys.get('AuthMethod')
    if (offer !== undefined) out.push(['AuthMethod', this.chooseMethod(offer.split(','))])
    if (this.chapChosen) {
      out.push(...this.chap!.step(keys))
      this.authenticated = this.chap!.done
    } else if (step.transit && !this.authenticated) {
      throw new LoginError(LoginStatus.AUTHENTICATION_FAILED, 'the initiator does not offer CHAP, which this target requires')
    }
  }

  private chooseMethod(offers: readonly string[]): string {
    if (this.chapChosen) throw new LoginError(LoginStatus.INITIATOR_ERROR, 'AuthMethod was sent twice')
    if (this.chap) {
      if (!offers.includes('CHAP')) throw new LoginError(LoginStatus.AUTHENTICATION_FAILED, 'the initiator does not offer CHAP, which this target requires')
      this.chapChosen = true
      return 'CHAP'
    }
    if (!offers.includes('None')) throw new LoginError(LoginStatus.AUTHENTICATION_FAILED, `the initiator insists on ${offers.join(',').slice(0, 80)}, and no secret is set`)
    return 'None'
  }
}
