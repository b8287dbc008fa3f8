"""
Figures of speech that turn bitter beside an event: the word list of the clash finder.

Each pair holds event words (any of them in a story's terms) and the figures that then clash; both
are patterns of whole words, parted by ``;``, inflections in braces as in the word lists. All six
languages stand together: a brand posts in several.
"""

from __future__ import annotations

_BLADE = (
    "stab{,s,bed,bing,bings}; kni{fe,ves,feman,femen}; machete; couteau{,x}; poignarde{,e,s,es}; "
    "arme blanche; messer; messerangriff; messerattacke; coltell{o,i,ate}; accoltellat{o,i,a,e}; "
    "cuchillo; apunalad{o,a,os,as}; faca; facada{,s}"
)
_BLADE_FIGURES = (
    "razor{,s}; razor sharp; sharp{,er,est}; cutting edge; slash{,es,ed,ing}; slice{,s,d}; "
    "stab{,s}; take a stab; blade{,s}; kni{fe,ves}; carve{,s,d}; backstab{,s,bing}; cut throat; "
    "tranchant{,e,s,es}; aiguise{,e,s,es}; lame{,s}; couteau{,x}; couper; coupe court; "
    "affute{,e,s}; rasoir{,s}; incisif; incisive; messerscharf; messer; scharf; affilat{o,a,i}; "
    "tagliente; coltell{o,i}; afilad{o,a,os,as}; cuchillo{,s}; afiad{o,a,os,as}; faca{,s}"
)
_GUN = (
    "sho{t,ts,oting,otings,oter,oters}; gun{,man,men,fire,shot,shots,ned}; opens fire; "
    "opened fire; sniper; fusillade{,s}; tireur{,s}; tirs; coups de feu; abattu{,e,s}; "
    "schusse{,n}; schiesserei; amok{lauf}; sparatoria; spari; tiroteo{,s}; tiroteio{,s}; tirador; "
    "atirador; mass shooting; assassinat{ed,ion}; assassinat{,s}"
)
_GUN_FIGURES = (
    "sho{t,ts,ot,ots,oting}; take a shot; give it a shot; big shot; bullet{,s,proof}; "
    "trigger{,s,ed}; aim{,s,ing}; on target; target{,s,ing}; gun{,s}; fire away; fired up; "
    "killer{,s}; smoking gun; loaded; bang; bang for your buck; sniper; tir{,s,er,ez}; balle{,s}; "
    "cible{,s,r,z}; gachette; degaine{,z,r}; fusil{,s}; feu; a bout portant; schuss; abschuss; "
    "colpo; sparare; disparo{,s}; tiro{,s}; bala{,s}; alvo"
)
_BOMB = (
    "bomb{,s,er,ers,ing,ings}; blast{,s}; explosion{,s,en}; explode{s,d}; attentat{,s}; "
    "explosif{,s}; bombe{,s,n}; esplosion{e,i}; bomba{,s}; explosao; explosoes; kamikaze; "
    "missile{,s}; airstrike{,s}; frappe{,s}; anschlag; attentato; atentado{,s}; suicide attack; "
    "terror attack; terror attacks; car bomb"
)
_BOMB_FIGURES = (
    "bomb{,s,ed,shell,shells,astic}; blast{,s,ed}; have a blast; explosive; "
    "explo{de,des,ding,sion,sions}; dynamite; fireworks; boom; detonat{e,es,or}; ticking; "
    "short fuse; da bomb; mind blowing; blow{,s} up; blow{,s} your mind; bombe{,s}; "
    "explosi{f,fs,ve,ves,on,ons}; exploser; explosez; feu d artifice; feux d artifice; detonnant; "
    "de la bombe; ca dechire; knaller; bombig; bomba{,s}; esplosiv{o,a,i,e}; explosiv{o,a,os,as}; "
    "petard{,os}"
)
_CRASH = (
    "crash{,es,ed}; derail{s,ed,ment}; collision; plane; jet; train; bus; helicopter; avion; "
    "s ecrase; deraille{,ment}; accident{,s}; zugungluck; absturz; flugzeugabsturz; incidente; "
    "schianto; descarrilamiento; accidente; acidente; descarrilamento"
)
_CRASH_FIGURES = (
    "crash{,es,ed,ing}; crash course; crash diet; derail{s,ed}; train wreck; collide{,s}; "
    "wreck{,ed}; take{,s} off; taking off; ready for take off; fly{,ing}; "
    "fasten your seatbelt{,s}; on track; full speed; nosedive; in the fast lane; hit the road; "
    "decoll{e,er,ez,age}; envol{,ez}; s envoler; plein gaz; a toute vitesse; deraille{,r}; "
    "en route; atterri{r,ssage}; vol{,s}; abheben; vollgas; decoll{o,are}; despeg{ar,ue}; "
    "decolar; a todo vapor"
)
_FIRE = (
    "fire{,s}; blaze; inferno; wildfire{,s}; bushfire{,s}; incendie{,s}; feu{,x}; brand; "
    "grossbrand; waldbrand; incendio; incendi{,os}; rogo; fogo"
)
_FIRE_FIGURES = (
    "fire{,s,d}; on fire; fire sale; hot{,test}; blaz{e,ing}; burn{,s,ing}; burning; "
    "flam{e,es,ing}; heat{,s} up; spark{,s}; lit; ignite{,s}; smok{e,ing}; sizzling; scorching; "
    "feu; flamb{e,er,ant}; brul{e,er,ant,ante,ants}; flamme{,s}; chaud{,e,s}; enflamm{e,er,ez}; "
    "incendiaire; heiss; brandheiss; fuoco; fuego; fogo; quente; caliente"
)
_WATER = (
    "flood{,s,ing,ed}; drown{,s,ed,ing}; tsunami{,s}; sank; sinks; sinking; capsize{s,d}; "
    "shipwreck; boat; submersible; inondation{,s}; naufrage{,s}; noyade{,s}; crue{,s}; "
    "hochwasser; uberschwemmung{,en}; flut; alluvion{e,i}; naufragio; inundacion{,es}; "
    "enchente{,s}; dana; flash floods"
)
_WATER_FIGURES = (
    "flood{,s,ed,ing}; wave{,s}; splash; make a splash; dive{,s}; dive in; deep dive; "
    "drown{,ing}; sink{,s,ing}; tide; swim{,ming}; sail{,ing}; set sail; cruise{,s}; plunge; "
    "take the plunge; all aboard; wash{,ed} away; surf{,ing}; boat{,s}; vague{,s}; "
    "plonge{,r,z,ons}; noy{e,er}; couler; coule a pic; deferlante; raz de maree; croisiere{,s}; "
    "bateau{,x}; inond{e,er}; submerge{,s,r}; baigna{de,des}; flut; welle{,n}; tauch{en}; onda; "
    "tuffo; ola{,s}; sumerg{e,ete}; mergulh{o,e}"
)
_QUAKE = (
    "earthquake{,s}; quake{,s}; seisme{,s}; tremblement de terre; erdbeben; terremoto{,s}; "
    "collapse{,s,d}; effondrement{,s}; s effondre; einsturz; crollo; derrumbe"
)
_QUAKE_FIGURES = (
    "shake{,s,n}; shake up; shaking; quake; seismic; earth shattering; groundbreaking; "
    "rock{,s,ed} your world; bring the house down; collapse{,s}; crumbl{e,es,ing}; "
    "secou{e,er,ez,ant}; tremble{,r,z}; ebranle{,r}; sismique; seisme; effondr{e,er}; "
    "tout casser; erschutter{n,t}; beben; scuot{e,ere}; terremoto; sacud{e,ir}"
)
_STORM = (
    "hurricane{,s}; tornado{,s,es}; cyclone{,s}; typhoon{,s}; storm{,s}; tempete{,s}; "
    "ouragan{,s}; tornade{,s}; sturm; orkan; uragano; tempesta; huracan; furacao"
)
_STORM_FIGURES = (
    "storm{,s,ing}; by storm; blow{,n} away; blown away; whirlwind; hurricane; tornado; "
    "wind of change; perfect storm; tempete; ouragan; vent de fraicheur; tornade; "
    "en coup de vent; sturm; wirbelwind; tempesta; tormenta; vendaval"
)
_DEATH = (
    "killed; dead; die{s,d}; dies aged; death; deaths; kill{s,ing}; mort{,s,e,es}; deces; "
    "tue{,e,s,es,nt}; tot; tote{,n}; gestorben; stirbt; mort{o,i,a}; muert{o,os,a}; muere; "
    "morre{,u}; mortos"
)
_DEATH_FIGURES = (
    "kill{s,ed,er,ing}; to die for; die{s,ing}; dead; death; drop dead; rip; rest in peace; "
    "funeral; grave{,s}; coffin; killing it; dressed to kill; you only live once; yolo; deadly; "
    "deadline{,s}; survivor{,s}; massacre{,d}; slay{,s,ing,ed}; victim{,s}; mort{,e,s}; "
    "mortel{,le,s,les}; mourir; a mourir; mort de rire; tue{,r,z}; tuant; tuerie; "
    "enterr{e,er,ement}; repose en paix; cercueil; todlich; killer; umwerfend; sterben; morire; "
    "mortale; morir; mortal; matar; morrer"
)

FIGURES = (
    (_BLADE, _BLADE_FIGURES),
    (_GUN, _GUN_FIGURES),
    (_BOMB, _BOMB_FIGURES),
    (_CRASH, _CRASH_FIGURES),
    (_FIRE, _FIRE_FIGURES),
    (_WATER, _WATER_FIGURES),
    (_QUAKE, _QUAKE_FIGURES),
    (_STORM, _STORM_FIGURES),
    (_DEATH, _DEATH_FIGURES),
)
"""Pairs of (event words, figures of speech), each a list parted by semicolons."""
